"""Training as users start it: teachers in the step, fine-tuning, workers."""

import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import models
from noisy_student.files import metrics_file
from tests import workers
from tests.scripts import EFFICIENTNET, ROOT, TINY, output_of, run

TRAIN = [flag for flag in TINY if "mode=" not in flag] + ["--mode=train"]
VALUE = ".ATTRIBUTES/VARIABLE_VALUE"
SUPERVISED = [*TRAIN, "--method=supervised"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    directory = tmp_path_factory.mktemp("teacher") / "run"
    process = run(*SUPERVISED, *EFFICIENTNET, f"--model_dir={directory}")
    output_of(process)
    return directory


def last_metrics(directory):
    return metrics_file.read(directory)[-1]


@pytest.mark.slow
def test_a_teacher_labels_in_the_step(teacher, tmp_path):
    """No records are needed, and the resolutions may differ."""
    process = run(
        *TRAIN,
        "--input_image_size=16",
        f"--teacher_model_path={teacher}",
        "--accumulation_steps=2",
        "--label_data_sample_prob=0.5",
        f"--model_dir={tmp_path}",
    )
    assert json.loads(output_of(process))["step"] == 6


@pytest.mark.slow
def test_fine_tuning_at_a_higher_resolution(teacher, tmp_path):
    process = run(
        *SUPERVISED,
        *EFFICIENTNET,
        "--fix_layer_num=1",
        "--input_image_size=12",
        f"--init_model_path={teacher}",
        "--train_last_step_num=2",
        "--remove_aug",
        "--steps_per_eval=1",
        f"--model_dir={tmp_path}",
    )
    output_of(process)
    assert last_metrics(tmp_path)["step"] == 2
    model = models.load_model(tmp_path / "model.keras")
    assert model.input_shape == (None, 12, 12, 3)
    given = models.load_model(teacher / "model.keras")
    for layer, same in (("stem", True), ("blocks_0", True), ("logits", False)):
        pairs = zip(
            model.get_layer(layer).get_weights(),
            given.get_layer(layer).get_weights(),
            strict=True,
        )
        assert all(np.array_equal(a, b) for a, b in pairs) == same, layer
    assert (tmp_path / "best/model.keras").is_file()


@pytest.mark.slow
def test_sigterm_saves_and_ends_with_75(teacher, tmp_path):
    command = [
        sys.executable,
        "main.py",
        *SUPERVISED,
        "--train_steps=100000",
        f"--model_dir={tmp_path}",
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 400
    while not list(tmp_path.glob("checkpoints/ckpt-*.index")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 75
    [step] = re.findall(r"Stopped by SIGTERM at step (\d+), which", errors)
    assert (tmp_path / f"checkpoints/ckpt-{step}.index").is_file()
    assert "Traceback" not in errors


@pytest.mark.slow
def test_two_workers_train_together(tmp_path):
    flags = [*TINY, "--num_iterations=1", f"--model_dir={tmp_path}"]
    codes, outputs, errors = workers.run("main.py", *flags)
    assert codes == [0, 0], errors
    # The chief alone speaks and writes; both have predicted.
    assert outputs[0].startswith("generation") and not outputs[1]
    assert "train student 1" not in errors[1]
    assert "predict shard 1/2" in errors[0]
    assert "predict shard 2/2" in errors[1]
    results = json.loads((tmp_path / "results.json").read_text())
    assert [row["role"] for row in results["generations"]] == [
        "teacher",
        "student",
    ]
    assert last_metrics(tmp_path / "generation_01")["step"] == 6
    # Both go on together, too, and refuse to with other flags.
    codes, _, errors = workers.run("main.py", *flags, "--weight_decay=1")
    assert set(codes) <= {2, 75} and 2 in codes
    assert "holds another experiment" in "".join(errors)


@pytest.mark.slow
def test_each_worker_keeps_the_targets_of_its_own_images(tmp_path):
    """Temporal ensembling: 25 labelled of 50 each, 674 and 673 unlabelled."""
    command = [
        "main.py",
        *TRAIN,
        "--method=temporal_ensembling",
        "--ensemble_dtype=float16",
        "--steps_per_eval=4",
        f"--model_dir={tmp_path}",
    ]
    codes, _, errors = workers.run(*command)
    assert codes == [0, 0], errors
    # One of them cannot read its newest: both go on from the one before.
    (tmp_path / "model.keras").unlink()
    (tmp_path / "checkpoints/worker_1/ckpt-6.index").write_bytes(b"")
    codes, _, errors = workers.run(*command)
    assert codes == [0, 0], errors
    assert "worker_1/ckpt-6 cannot be read" in errors[1]
    for worker, images in enumerate((25 + 674, 25 + 673)):
        assert f"keeps {images} x 10 targets in float16" in errors[worker]
        path = tmp_path / f"checkpoints/worker_{worker}/ckpt-6"
        saved = tf.train.load_checkpoint(str(path))
        # Of 6 steps, half of 10 labelled and of 20 unlabelled images.
        counts = saved.get_tensor(f"counts/{VALUE}")
        assert counts.shape == (images,) and counts.sum() == 6 * 15
        assert saved.get_tensor(f"sums/{VALUE}").dtype == np.float16


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_both(teacher, tmp_path):
    """With a teacher in the step, which every worker loads."""
    processes = workers.start(
        "main.py",
        *TRAIN,
        f"--teacher_model_path={teacher}",
        "--train_steps=100000",
        f"--model_dir={tmp_path}",
    )
    deadline = time.monotonic() + 400
    while not list(tmp_path.glob("checkpoints/ckpt-*.index")):
        ends = [process.poll() for process in processes]
        assert ends == [None, None] and time.monotonic() < deadline
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    codes, _, errors = workers.ends(processes)
    assert codes == [75, 75], errors
    found = [
        re.findall(r"Stopped by SIGTERM at step (\d+), which", text)
        for text in errors
    ]
    assert found[0] == found[1] and len(found[0]) == 1
    [step] = found[0]
    assert (tmp_path / f"checkpoints/ckpt-{step}.index").is_file()
