"""Own images from end to end: folders, records, and the scripts between."""

import json
import subprocess

import pytest

from tests.data.directories import write_folders
from tests.scripts import error_of, python, run

TINY = (
    "--input_image_size=32",
    "--num_iterations=1",
    "--model_name=tests.networks:tiny",
    "--train_batch_size=4",
    "--unlabel_ratio=2",
    "--train_steps=4",
    "--warmup_epochs=0",
    "--teacher_softmax_temp=1",
    "--moving_average_decay=0.5",
    "--num_image=4",
    "--num_shards=2",
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("images") / "photos"
    folders = {"train/a": 4, "train/b": 4, "test/a": 3, "test/b": 3}
    write_folders(root, folders | {"unlabelled": 20})
    return root


@pytest.fixture(scope="module")
def records(photos):
    output = photos.parent / "records"
    done = python(
        "tools/make_records.py",
        f"--input_dir={photos}",
        f"--output_dir={output}",
        "--num_shards=2",
    )
    assert done.returncode == 0, done.stderr
    assert f"{output}: 34 images." in done.stdout
    return output


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["photos", "records"])
def test_self_training_from_a_directory(kind, tmp_path, request):
    directory = request.getfixturevalue(kind)
    runs = tmp_path / "run"
    images = f"--label_data_dir={directory}"
    done = run("--mode=self_train", images, *TINY, f"--model_dir={runs}")
    assert done.returncode == 0, done.stderr
    assert "AutoGraph" not in done.stderr
    results = json.loads((runs / "results.json").read_text())
    assert results["task"] == kind
    assert len(results["generations"]) == 2
    assert (runs / "classes.txt").read_text() == "a\nb\n"
    labels = runs / "generation_01/pseudo_labels/info"
    counts = [json.loads(p.read_text())["image_num"] for p in labels.iterdir()]
    assert counts == [10, 10]
    done = run("--mode=eval", images, *TINY, f"--model_dir={runs}")
    assert done.returncode == 0, done.stderr
    best = results["generations"][-1]["top_1_accuracy"]
    newest = json.loads(done.stdout.splitlines()[-1])
    assert newest["top_1_accuracy"] == pytest.approx(best)
    done = run(
        "--mode=predict",
        images,
        f"--predict_ckpt_path={runs}/model.keras",
        f"--output_dir={tmp_path}/predictions",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "predictions/classes.txt").read_text() == "a\nb\n"


@pytest.mark.slow
def test_damage_while_training_is_one_line(records, tmp_path):
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", records, copy], check=True)
    path = copy / "train-00001-of-00002"
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)
    done = run(
        "--mode=train",
        "--method=supervised",
        f"--label_data_dir={copy}",
        *TINY,
        f"--model_dir={tmp_path}/run",
    )
    assert done.returncode == 2, done.stderr
    assert f"error: {path} is damaged in the record that" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("main.py", ["--label_data_dir=/none"], "no directory /none"),
        ("main.py", ["--label_data_dir=x", "--task_name=digits"], "another n"),
        ("main.py", ["--num_label_classes=3"], "num_label_classes=3 is for"),
        ("tools/make_records.py", [], "output_dir must be set"),
        ("tools/make_records.py", ["--output_dir=x"], "One of input_dir and"),
        ("tools/proc_svhn.py", [], "output_dir must be set"),
        ("tools/proc_svhn.py", ["--output_dir=x"], "raw_data_dir must be set"),
    ],
)
def test_bad_input_is_one_line(script, arguments, message, tmp_path):
    if script == "main.py":
        arguments = [*TINY, *arguments, f"--model_dir={tmp_path}/run"]
    done = python(script, *arguments)
    assert message in error_of(done)
    assert not (tmp_path / "run").exists()


def test_help_lists_the_flags():
    text = python("tools/make_records.py", "--help").stdout
    for flag in ("--input_dir", "--task_name", "--output_dir", "--num_workers"):
        assert flag in text
    text = python("tools/proc_svhn.py", "--help").stdout
    assert "--[no]full_train_data" in text
