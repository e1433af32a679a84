"""Validation images choose, and the test images are looked at once."""

import dataclasses

import numpy as np
import pytest

from noisy_student import models, training
from noisy_student.config import RunConfig
from noisy_student.files import metrics_file
from noisy_student.training.evaluations import Evaluations
from tests.training.runs import make_run, run, train_config


class Curve:
    """Validates with given accuracies, one after the other."""

    def __init__(self, *accuracies):
        self.left = list(accuracies)

    def __call__(self, model, on_batch):
        return {"top_1_accuracy": self.left.pop(0), "num_images": 20}


class LastLook:
    """The test images: looked at once, after all validation."""

    def __init__(self, curve):
        self.curve = curve
        self.looks = 0

    def __call__(self, model, on_batch):
        assert len(self.curve.left) in (0, self.curve.unused)
        self.looks += 1
        self.weights = model.get_weights()
        return {"top_1_accuracy": 0.5, "num_images": 30}


def train_on(directory, curve, unused=0, total_steps=30, **train_settings):
    """Trains with validations every 10 steps; returns metrics and the test."""
    curve.unused = unused
    look = LastLook(curve)
    changes = {
        "evaluator": look,
        "validator": curve,
        "train_config": train_config(total_steps, **train_settings),
    }
    return run(directory, changes, steps_per_eval=10), look


def weights_of(path):
    return models.load_model(path / "model.keras").get_weights()


def test_the_best_weights_are_kept_and_tested(tmp_path):
    metrics, look = train_on(tmp_path, Curve(0.25, 0.75, 0.5))
    assert metrics | {"seconds": 0} == {
        "step": 30,
        "split": "test",
        "top_1_accuracy": 0.5,
        "num_images": 30,
        "best_step": 20,
        "seconds": 0,
    }
    lines = metrics_file.read(tmp_path)
    assert [(line["step"], line["split"]) for line in lines] == [
        (10, "validation"),
        (20, "validation"),
        (30, "validation"),
        (30, "test"),
    ]
    assert look.looks == 1
    best = weights_of(tmp_path / "best")
    for kept in (weights_of(tmp_path), look.weights):
        np.testing.assert_array_equal(
            np.concatenate([*map(np.ravel, kept)]),
            np.concatenate([*map(np.ravel, best)]),
        )
    assert training.kept_validation(tmp_path, keep_best=True) == {
        "top_1_accuracy": 0.75,
        "num_images": 20,
    }


def test_the_last_weights_are_kept_where_asked(tmp_path):
    metrics, look = train_on(tmp_path, Curve(0.25, 0.75, 0.5), keep="last")
    assert "best_step" not in metrics and look.looks == 1
    kept, best = weights_of(tmp_path), weights_of(tmp_path / "best")
    assert not np.array_equal(kept[0], best[0])
    validation = training.kept_validation(tmp_path, keep_best=False)
    assert validation["top_1_accuracy"] == 0.5


def test_it_stops_early_where_nothing_rises(tmp_path):
    """0.75 again is no better; 0.9 would be, and is not reached."""
    curve = Curve(0.5, 0.75, 0.75, 0.7, 0.9, 0.9)
    metrics, look = train_on(
        tmp_path, curve, unused=2, total_steps=60, early_stopping_evals=2
    )
    assert (metrics["step"], metrics["best_step"]) == (40, 20)
    assert look.looks == 1
    # The finished run stays as it is.
    assert train_on(tmp_path, Curve(), total_steps=60)[0] == metrics


def test_a_run_that_was_killed_stops_where_it_would_have(tmp_path):
    class KilledError(Exception):
        pass

    class Killing(Curve):
        def __call__(self, model, on_batch):
            if not self.left:
                raise KilledError
            return super().__call__(model, on_batch)

    settings = {"total_steps": 60, "early_stopping_evals": 2}
    with pytest.raises(KilledError):
        train_on(tmp_path, Killing(0.5, 0.75, 0.75), **settings)
    metrics, _ = train_on(tmp_path, Curve(0.7, 0.9), unused=1, **settings)
    assert (metrics["step"], metrics["best_step"]) == (40, 20)


@pytest.mark.parametrize(
    ("given", "validator", "interval"),
    [(None, True, 20), (None, False, 410), (0, True, 410), (15, True, 15)],
)
def test_how_often(tmp_path, given, validator, interval):
    described = dataclasses.replace(
        make_run(tmp_path),
        run_config=RunConfig(steps_per_eval=given),
        validator=Curve() if validator else None,
    )
    assert Evaluations(described, None, 410, None, None).interval == interval
