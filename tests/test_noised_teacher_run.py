"""Self-training by a teacher that labels under noise, as it is run."""

import json

import numpy as np
import pytest

from noisy_student import models
from noisy_student.data import records
from tests.scripts import TINY, python, run


def probabilities(directory):
    paths = sorted(directory.glob("generation_01/**/train-info-*"))
    rows = [r for path in paths for r in records.read_predictions(path, 10)]
    return np.concatenate(rows)


@pytest.mark.slow
def test_the_student_learns_from_noised_predictions(finished, tmp_path):
    directory = tmp_path / "run"
    command = [*TINY, "--noise_teacher", f"--model_dir={directory}"]
    process = run(*command)
    assert process.returncode == 0, process.stderr
    # The same teacher says something else.
    teacher = models.load_model(directory / "generation_00/model.keras")
    other = models.load_model(finished.directory / "generation_00/model.keras")
    for ours, theirs in zip(
        teacher.get_weights(), other.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    noised, plain = probabilities(directory), probabilities(finished.directory)
    assert noised.shape == plain.shape
    assert (np.abs(noised - plain).max(axis=1) > 1e-6).mean() > 0.9
    np.testing.assert_allclose(noised.sum(axis=1), 1, rtol=1e-5)
    labels = directory / "generation_01/pseudo_labels"
    stats = json.loads((labels / "stats.json").read_text())
    path = directory / "generation_00/model.keras"
    digest, _, noise = stats["made_from"]["teacher"].partition(" ")
    assert digest == models.digest(path) and noise.startswith("noised: seed=")
    # It is finished, and audited as what it is.
    assert "is finished" in run(*command).stdout
    audit = python("tools/audit.py", f"--model_dir={directory}")
    assert audit.returncode == 0, audit.stderr
