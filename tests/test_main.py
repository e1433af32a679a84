"""What users do: the scripts, each in a process of its own."""

import json
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from noisy_student import pseudo_labels
from tests.scripts import ROOT, TINY, output_of, python, run


def test_results_have_the_documented_form(finished):
    directory = finished.directory
    results = json.loads((directory / "results.json").read_text())
    assert {key: results[key] for key in ("task", "method", "seed")} == {
        "task": "digits",
        "method": "noisy_student",
        "seed": 0,
    }
    teacher, student = results["generations"]
    keys = [
        "generation",
        "role",
        "model_name",
        "top_1_accuracy",
        "top_5_accuracy",
        "num_images",
        "pseudo_labels",
        "seconds",
        "teacher",
        "input_image_size",
        "before_fine_tuning",
        "validation",
    ]
    assert list(teacher) == list(student) == keys
    assert (teacher["role"], student["role"]) == ("teacher", "student")
    assert teacher["num_images"] == 50
    assert teacher["pseudo_labels"] == {
        "kept": 0,
        "records": 0,
        "accuracy": None,
    }
    labels = student["pseudo_labels"]
    assert student["num_images"] == 50 + labels["kept"]
    assert 0 < labels["kept"] <= labels["records"]
    assert 0 <= labels["accuracy"] <= 1
    assert (teacher["teacher"], student["teacher"]) == (None, 0)
    assert student["input_image_size"] == 8
    assert student["before_fine_tuning"] is student["validation"] is None


def test_a_run_directory_holds_what_is_promised(finished):
    directory = finished.directory
    for part in (
        "config.json",
        "model.keras",
        "report.html",
        "generation_00/config.json",
        "generation_00/model.keras",
        "generation_00/metrics.jsonl",
        "generation_00/checkpoints/ckpt-6.index",
        "generation_01/model.keras",
        "generation_01/pseudo_labels/stats.json",
        "generation_01/pseudo_labels/data/train-00001-of-00002",
    ):
        assert (directory / part).is_file(), part
    assert list(directory.glob("generation_01/events.out.tfevents.*"))
    assert not list(directory.rglob("tmp.*"))
    config = json.loads((directory / "config.json").read_text())
    assert config["train"]["unlabel_ratio"] == 2
    same = (directory / "generation_01/model.keras").read_bytes()
    assert (directory / "model.keras").read_bytes() == same


def test_the_table_and_the_bars_are_shown(finished):
    directory, process = finished.directory, finished.process
    lines = process.stdout.strip().split("\n")
    assert lines[0].split()[:4] == ["generation", "role", "model", "images"]
    assert len(lines) == 4
    assert lines[3] == f"The report is {directory / 'report.html'}."
    for stage in ("train teacher", "predict shard 2/2", "train student 1"):
        assert stage in process.stderr
    assert "step/s" in process.stderr


def test_a_finished_run_says_so_and_does_nothing(finished):
    directory, process = finished.directory, finished.process
    before = {
        path: path.stat().st_mtime_ns
        for path in directory.rglob("*")
        if path.is_file()
    }
    again = run(*TINY, f"--model_dir={directory}")
    assert again.returncode == 0
    assert again.stdout.startswith(f"{directory} is finished:\n")
    assert again.stdout.endswith(process.stdout)
    after = {
        path: path.stat().st_mtime_ns
        for path in directory.rglob("*")
        if path.is_file()
    }
    assert before == after


def test_a_directory_of_another_experiment_is_left_alone(finished):
    directory = finished.directory
    other = run(*TINY, f"--model_dir={directory}", "--weight_decay=0.5")
    assert other.returncode == 2
    assert "holds another experiment: weight_decay=1e-05 there" in other.stderr
    config = json.loads((directory / "config.json").read_text())
    assert config["train"]["weight_decay"] == 1e-5


@pytest.mark.slow
def test_a_finished_run_takes_more_iterations(finished, tmp_path):
    directory = finished.directory
    copy = finished.copy(tmp_path / "copy")
    more = run(*TINY, f"--model_dir={copy}", "--num_iterations=2")
    assert more.returncode == 0, more.stderr
    results = json.loads((copy / "results.json").read_text())
    before = json.loads((directory / "results.json").read_text())
    assert results["generations"][:2] == before["generations"]
    assert len(results["generations"]) == 3


def test_flags_are_checked_before_tensorflow_is_imported():
    code = (
        "import sys, main, tools.study; sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.slow
def test_killed_at_any_stage_it_ends_the_same(finished, tmp_path):
    directory = finished.directory
    command = [sys.executable, "main.py", *TINY, f"--model_dir={tmp_path}/run"]
    for mark in (
        "generation_00/checkpoints/ckpt-3.index",
        "generation_01/pseudo_labels/info",
        "generation_01/checkpoints/ckpt-3.index",
    ):
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 480
        while not (tmp_path / "run" / mark).exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    # In an interpreter of its own: sets, too, are in another order then.
    last = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    assert "train teacher" not in last.stderr  # a finished stage

    def outcome(path):
        results = json.loads((path / "results.json").read_text())
        for row in results["generations"]:
            row["seconds"] = None
        return results

    assert outcome(tmp_path / "run") == outcome(directory)


@pytest.mark.slow
def test_the_stages_one_by_one(finished, tmp_path):
    """Predict, filter and train by hand, as on a cluster."""
    directory = finished.directory
    teacher = directory / "generation_00/model.keras"
    data = ["--task_name=digits", "--num_shards=2"]
    for shard in (0, 1):
        process = run(
            "--mode=predict",
            *data,
            f"--predict_ckpt_path={teacher}",
            f"--output_dir={tmp_path}/predictions",
            f"--shard_id={shard}",
        )
        output_of(process)
    select = [
        *data,
        f"--prediction_dir={tmp_path}/predictions",
        f"--output_dir={tmp_path}/filtered",
        "--num_image=20",
    ]
    tool = "tools/filter_unlabel.py"
    process = python(tool, *select, "--shard_id=1")
    assert process.returncode == 2
    assert "those of 0 are missing. Run only_get_stats" in process.stderr
    process = python(tool, *select, "--only_get_stats")
    counted = json.loads(output_of(process))
    assert not (tmp_path / "filtered/data").exists()
    stats = json.loads(output_of(python(tool, *select)))
    assert sum(stats["predicted"]) == 1347
    assert stats["threshold"] == counted["thresholds"]
    assert any((tmp_path / "filtered/samples").iterdir())

    # By the same teacher, images get the labels that they had, in an order of
    # its own.
    process = run(
        "--mode=predict",
        "--reassign_label",
        f"--unlabel_data_dir={tmp_path}/filtered",
        f"--predict_ckpt_path={teacher}",
        f"--output_dir={tmp_path}/again",
    )
    output_of(process)
    before, after = (
        sorted(read_labels(tmp_path / name)) for name in ("filtered", "again")
    )
    assert len(before) == stats["records"] and before == after

    student = [flag for flag in TINY if "mode=" not in flag]
    student += ["--mode=train", f"--unlabel_data_dir={tmp_path}/filtered"]
    process = run(*student, f"--model_dir={tmp_path}/student")
    metrics = json.loads(output_of(process))
    assert metrics["step"] == 6

    process = run("--mode=eval", f"--model_dir={tmp_path}/student")
    accuracy = json.loads(output_of(process))["top_1_accuracy"]
    assert accuracy == pytest.approx(metrics["top_1_accuracy"])


def read_labels(directory):
    """Image, label and probability of every pseudo-labelled record."""
    paths = pseudo_labels.record_paths(directory)
    for serialized in tf.data.TFRecordDataset(paths).as_numpy_iterator():
        feature = tf.train.Example.FromString(serialized).features.feature
        yield (
            feature["image/encoded"].bytes_list.value[0],
            feature["label"].int64_list.value[0],
            round(feature["prob"].float_list.value[0], 4),
        )


def test_nothing_is_answered_by_what_to_type():
    process = run()
    assert process.returncode == 1 and not process.stderr
    lines = process.stdout.strip().split("\n")
    assert len(lines) == 10
    assert sum(line.startswith("  python main.py ") for line in lines) == 2
