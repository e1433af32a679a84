"""Where a run starts from."""

import dataclasses
import shutil

import numpy as np
import pytest

from noisy_student import models
from noisy_student.config import TrainConfig
from noisy_student.errors import InputError
from noisy_student.models import named_weights
from noisy_student.training import state
from tests.models.small import SMALL
from tests.training.runs import make_run, run, train_config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run") / "whole"
    return directory, run(directory)


def started(directory, **train):
    """The student and average of a run before its first step."""
    changes = {"train_config": train_config(10, **train)}
    made = state.TrainingState(make_run(directory, changes=changes))
    made.start()
    return made


@pytest.mark.slow
def test_a_run_starts_from_given_weights(finished, tmp_path):
    whole, _ = finished
    truth = models.load_model(whole / "model.keras").get_weights()
    for path in (whole, whole / "model.keras"):  # a directory or the file
        made = started(tmp_path, init_weights=str(path))
        assert made.step == 0
        for model in (made.student, made.average):
            for ours, theirs in zip(model.get_weights(), truth, strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_a_checkpoint_comes_before_given_weights(finished, tmp_path):
    whole, _ = finished
    shutil.copytree(whole / "checkpoints", tmp_path / "checkpoints")
    made = started(tmp_path, init_weights="/none")
    assert made.step == 30


def test_a_run_starts_from_the_originals_checkpoint(fixtures, tmp_path):
    path = str(fixtures / "svhn_small/model.ckpt")
    changes = {
        "model_config": SMALL,
        "train_config": TrainConfig("supervised", init_weights=path),
    }
    made = state.TrainingState(make_run(tmp_path, changes=changes))
    made.start()
    images = np.load(fixtures / "svhn_small/images.npy")
    truth = np.load(fixtures / "svhn_small/logits_ema.npy")
    for model in (made.student, made.average):
        np.testing.assert_allclose(model(images), truth, atol=1e-4)


@pytest.mark.parametrize("name", ["imagenet", "noisy-student"])
def test_weights_of_a_name_may_be_for_other_classes(
    name, fixtures, tmp_path, monkeypatch
):
    """Those of a path may not, unless it is allowed."""
    path = str(fixtures / "svhn_small/model.ckpt")
    asked = []

    def find(*args):
        asked.append(args)
        return path

    monkeypatch.setattr(named_weights, "find", find)
    config = dataclasses.replace(SMALL, num_classes=3)
    given = models.read_weights(path, config)
    for weights, allowed in ((name, False), (path, True), (path, False)):
        train = TrainConfig(
            "supervised", init_weights=weights, allow_new_head=allowed
        )
        changes = {"model_config": config, "train_config": train}
        made = state.TrainingState(make_run(tmp_path, changes=changes))
        if weights == path and not allowed:
            with pytest.raises(InputError, match="Only the classifier differs"):
                made.start()
            continue
        made.start()
        for model in (made.student, made.average):
            np.testing.assert_array_equal(
                model.get_layer("stem").kernel, given["stem/conv2d/kernel"]
            )
    assert asked == [(name, "efficientnet-b0")]


def test_fresh_weights_are_the_seeds(tmp_path):
    made = started(tmp_path)
    for a, b in zip(made.student.weights, made.average.weights, strict=True):
        np.testing.assert_array_equal(a, b)
