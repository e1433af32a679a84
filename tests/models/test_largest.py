"""Memory of the largest models on an ordinary machine."""

import json
import subprocess
import sys

import pytest

from tests.scripts import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.large]

_SCRIPT = """
import json, resource
import numpy as np
from noisy_student.config import ModelConfig
from noisy_student import models
from tools.benchmarks import growth

config = ModelConfig("efficientnet-l2", 1000, input_image_size=64)
step = growth.train_run(config, batch_size=2, steps=1)
losses = [step().metrics["train/loss"] for _ in range(2)]
images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3))
logits = models.build_model(config)(images).numpy()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
finite = bool(np.isfinite(losses).all() and np.isfinite(logits).all())
print(json.dumps({"shape": logits.shape, "finite": finite, "peak": peak}))
"""


def test_l2_builds_predicts_and_trains_within_20_gib():
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=2300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["shape"] == [2, 1000]
    assert result["finite"]
    assert result["peak"] < 20, result


def test_remat_saves_two_fifths_of_b7s_memory():
    done = subprocess.run(
        [sys.executable, "-m", "tools.benchmarks.remat", "--steps=1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=2300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1])["memory_saved"] >= 0.4
