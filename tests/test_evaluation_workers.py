"""Evaluations by two workers, against the same by one process."""

import pytest

from noisy_student import models
from noisy_student.config import ModelConfig
from tests import scripts, workers

MODEL = ModelConfig("tests.networks:tiny", num_classes=10, input_image_size=8)
DISTURBED = [
    "--mode=robustness",
    "--num_robustness_images=21",
    "--corruption_types=fog,speckle_noise",
    "--severities=2,5",
    "--perturbation_types=translate,shot_noise",
    "--num_frames=4",
    "--epsilons=4,32",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    models.save_model(models.build_model(MODEL), path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "file"),
    [(DISTURBED, "robustness.json"), (["--mode=eval"], "confusion.csv")],
    ids=["robustness", "eval"],
)
def test_two_workers_measure_what_one_does(model, flags, file, tmp_path):
    command = [
        "main.py",
        *flags,
        "--task_name=digits",
        f"--predict_ckpt_path={model}",
        "--eval_batch_size=10",
    ]
    alone = scripts.python(*command, f"--output_dir={tmp_path}/one")
    assert alone.returncode == 0, alone.stderr
    codes, outputs, errors = workers.run(
        *command, f"--output_dir={tmp_path}/two"
    )
    assert codes == [0, 0], errors
    # The chief alone speaks and writes.
    assert not outputs[1]
    found, expected = (
        next((tmp_path / name).rglob(file)).read_text()
        for name in ("two", "one")
    )
    assert found == expected
