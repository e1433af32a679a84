"""What users do: the scripts, each in a process of its own."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[1]

# A teacher and a student, as small as they go.
TINY = [
    "--mode=self_train",
    "--task_name=digits",
    "--input_image_size=8",
    "--num_iterations=1",
    "--width_coefficient=0.1",
    "--depth_coefficient=0.1",
    "--train_batch_size=10",
    "--unlabel_ratio=2",
    "--train_steps=6",
    "--warmup_epochs=0",
    "--teacher_softmax_temp=1",
    "--moving_average_decay=0.5",
    "--num_image=20",
    "--num_shards=2",
    "--save_checkpoints_steps=3",
    "--iterations_per_loop=2",
]


def run(*arguments, script="main.py", timeout=240):
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "tiny"
    process = run(*TINY, f"--model_dir={directory}")
    assert process.returncode == 0, process.stderr
    return directory, process


def test_results_have_the_documented_form(finished):
    directory, _ = finished
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


def test_a_run_directory_holds_what_is_promised(finished):
    directory, _ = finished
    for part in (
        "config.json",
        "model.keras",
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
    _, process = finished
    lines = process.stdout.strip().split("\n")
    assert lines[0].split()[:4] == ["generation", "role", "model", "images"]
    assert len(lines) == 3
    for stage in ("train teacher", "predict shard 2/2", "train student 1"):
        assert stage in process.stderr
    assert "step/s" in process.stderr


def test_a_finished_run_says_so_and_does_nothing(finished):
    directory, process = finished
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
    directory, _ = finished
    other = run(*TINY, f"--model_dir={directory}", "--weight_decay=0.5")
    assert other.returncode == 2
    assert "holds another experiment: weight_decay=1e-05 there" in other.stderr
    config = json.loads((directory / "config.json").read_text())
    assert config["train"]["weight_decay"] == 1e-5


def test_a_finished_run_takes_more_iterations(finished, tmp_path):
    directory, _ = finished
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", directory, copy], check=True)
    more = run(*TINY, f"--model_dir={copy}", "--num_iterations=2")
    assert more.returncode == 0, more.stderr
    results = json.loads((copy / "results.json").read_text())
    before = json.loads((directory / "results.json").read_text())
    assert results["generations"][:2] == before["generations"]
    assert len(results["generations"]) == 3


def test_killed_at_any_stage_it_ends_the_same(finished, tmp_path):
    directory, _ = finished
    command = [sys.executable, "main.py", *TINY, f"--model_dir={tmp_path}/run"]
    for mark in (
        "generation_00/checkpoints/ckpt-3.index",
        "generation_01/pseudo_labels/info",
        "generation_01/checkpoints/ckpt-3.index",
    ):
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 240
        while not (tmp_path / "run" / mark).exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    assert "train teacher" not in last.stderr  # a finished stage

    def outcome(path):
        results = json.loads((path / "results.json").read_text())
        for row in results["generations"]:
            row["seconds"] = None
        return results

    assert outcome(tmp_path / "run") == outcome(directory)


def test_the_stages_one_by_one(finished, tmp_path):
    """Predict, filter and train by hand, as on a cluster."""
    directory, _ = finished
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
        assert process.returncode == 0, process.stderr
    process = run(
        *data,
        f"--prediction_dir={tmp_path}/predictions",
        f"--output_dir={tmp_path}/filtered",
        "--num_image=20",
        script="tools/filter_unlabel.py",
    )
    assert process.returncode == 0, process.stderr
    stats = json.loads(process.stdout)
    assert sum(stats["predicted"]) == 1347

    student = [flag for flag in TINY if "mode=" not in flag]
    student += ["--mode=train", f"--unlabel_data_dir={tmp_path}/filtered"]
    process = run(*student, f"--model_dir={tmp_path}/student")
    assert process.returncode == 0, process.stderr
    metrics = json.loads(process.stdout)
    assert metrics["step"] == 6

    process = run("--mode=eval", f"--model_dir={tmp_path}/student")
    assert process.returncode == 0, process.stderr
    accuracy = json.loads(process.stdout)["top_1_accuracy"]
    assert accuracy == pytest.approx(metrics["top_1_accuracy"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task_name=nope"], "Unknown task_name 'nope'"),
        (["--model_name=resnet"], "Unknown model_name 'resnet'; known are"),
        (["--student_model_names=b1"], "Unknown model_name 'b1'"),
        (["--input_image_size=7"], "8x8 pixels; got input_image_size=7"),
        (["--fix_layer_num=99"], "blocks; got fix_layer_num=99"),
        (["--num_labeled=51"], "divisible by the 10 classes; got 51"),
        (["--num_labeled=5000"], "num_labeled=5000 needs 500 images"),
        (["--unlabel_ratio=0"], "mode=self_train needs unlabel_ratio above 0"),
        (["--mode=train"], "set unlabel_data_dir"),
        (["--mode=train", "--unlabel_data_dir=/none"], "/none does not hold"),
        (["--mode=predict"], "output_dir must be set"),
        (["--mode=eval"], "There is no model at"),
        (["--train_steps=0"], "train_steps must be above 0; got 0"),
        (["--final_base_lr=1"], "final_base_lr must be above 0 and below"),
        (["--min_threshold=1.5"], "min_threshold must be in [0, 1]; got 1.5"),
        (["--student_width_coefficients=a"], "numbers divided by commas"),
        (
            ["--task_name=cifar10", "--tfds_data_dir=/none"],
            "tfds_data_dir /none does not exist",
        ),
        (["surplus"], "unknown arguments surplus"),
    ],
)
def test_bad_input_is_one_line_and_touches_nothing(
    tmp_path, arguments, message
):
    directory = tmp_path / "run"
    process = run(*TINY, f"--model_dir={directory}", *arguments)
    assert process.returncode == 2
    errors = [
        line
        for line in process.stderr.split("\n")
        if line.startswith("error: ")
    ]
    assert len(errors) == 1 and message in errors[0]
    assert "Traceback" not in process.stderr
    assert not directory.exists()


def test_an_unknown_flag_or_choice_is_refused():
    for flag in ("--num_labelled=50", "--augment_name=v3"):
        process = run(flag)
        assert process.returncode == 1
        assert flag.split("=")[0].strip("-") in process.stderr


def test_a_full_directory_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    process = run(*TINY, f"--model_dir={tmp_path}")
    assert process.returncode == 2
    assert "is not empty and has no config.json" in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_smaller_student_is_a_warning(tmp_path):
    process = run(
        *TINY,
        f"--model_dir={tmp_path}/run",
        "--student_width_coefficients=0.05",
        "--train_steps=1",
    )
    assert process.returncode == 0, process.stderr
    assert "Student 1 is smaller than its teacher" in process.stderr


def test_help_lists_every_flag_with_its_text():
    text = run("--help").stdout
    for flag in ("--model_dir", "--randaug_mag", "--num_iterations"):
        assert flag in text
    assert "a teacher's probabilities" in text.replace("\n    ", " ")
