"""The suite `perturbations`: made frames, folders of frames, and scores."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from noisy_student.config.robustness import PERTURBATIONS, RobustnessConfig
from noisy_student.data import decoding, digits
from noisy_student.disturbances import frames as making
from noisy_student.errors import InputError
from noisy_student.evaluation.perturbations import (
    ALEXNET_FLIPS,
)
from noisy_student.stages.suites.perturbations import Perturbations
from tests.evaluation.by_hand import flip_probability
from tests.stages.suites.linear import (
    SIDE,
    linear_model,
    opened,
    spread_over,
)


def suite(opened_experiment, **settings):
    made = Perturbations(opened_experiment, RobustnessConfig(**settings))
    made.validate()
    return made


def flips_by_hand(model, sequences, noise):
    """Of sequences, uint8 (number, frames, side, side, 3)."""
    found = [model.predict(x, verbose=0).argmax(axis=1) for x in sequences]
    return flip_probability(np.stack(found), noise)


@pytest.mark.parametrize(
    ("replicas", "batch_size"),
    [
        pytest.param(1, 16, marks=pytest.mark.slow),
        pytest.param(2, 16, marks=pytest.mark.slow),
        (2, 4),
    ],
)
def test_flips_are_those_of_each_image(replicas, batch_size, two_replicas):
    """The same on any number of devices, and if a sequence fills no batch."""
    strategy = two_replicas if replicas == 2 else None
    there = opened(strategy, batch_size, input_image_size=SIDE)
    kinds = ("gaussian_noise", "rotate", "scale")
    measured = suite(
        there,
        perturbation_types=kinds,
        num_frames=5,
        num_robustness_images=7,
    )
    with there.devices.strategy.scope():
        results = measured.measure(linear_model(), "test")
    _, test = digits.load(0)
    images = [
        tf.io.decode_png(example["encoded"], channels=3).numpy()
        for example in spread_over(test, 7)
    ]
    for kind in kinds:
        sequences = [
            making.make(image, kind, 5, place)
            for place, image in enumerate(images)
        ]
        expected = flips_by_hand(
            linear_model(), sequences, kind == "gaussian_noise"
        )
        found = results["flip_probabilities"][kind]
        assert found == pytest.approx(expected), kind
    assert results["flip_probabilities"]["scale"] > 0.1
    assert results["source"] == "made"
    assert results["num_images"] == dict.fromkeys(kinds, 7)
    assert results["num_frames"] == dict.fromkeys(kinds, 5)


def write_frames(root, kind, number, frames, seed=0):
    """Random frames; returns them, uint8 (number, frames, side, side, 3)."""
    generator = np.random.default_rng(seed)
    shape = [number, frames, SIDE, SIDE, 3]
    sequences = generator.integers(0, 256, shape, np.uint8)
    for i, sequence in enumerate(sequences):
        folder = root / kind / f"class{i % 2}" / f"image{i:02d}"
        folder.mkdir(parents=True)
        for j, frame in enumerate(sequence):
            Image.fromarray(frame).save(folder / f"{j}.png")
    return sequences


@pytest.mark.parametrize("replicas", [1, 2])
def test_frames_of_folders_are_measured(replicas, two_replicas, tmp_path):
    """Sequences of different types have different numbers of frames."""
    strategy = two_replicas if replicas == 2 else None
    written = {
        "tilt": write_frames(tmp_path, "tilt", 3, 12),
        "shot_noise": write_frames(tmp_path, "shot_noise", 5, 4, seed=1),
        "snow": np.repeat(write_frames(tmp_path, "same", 2, 1), 4, axis=1),
    }
    for path in tmp_path.glob("same/*/*/0.png"):
        folder = tmp_path / "snow" / path.parent.relative_to(tmp_path / "same")
        folder.mkdir(parents=True)
        for number in range(4):
            (folder / f"{number}.png").write_bytes(path.read_bytes())
    there = opened(strategy, 16, input_image_size=SIDE)
    measured = suite(
        there,
        perturbed_data_dir=str(tmp_path),
        perturbation_types=tuple(written),
    )
    with there.devices.strategy.scope():
        results = measured.measure(linear_model(), "test")
    assert results["num_frames"] == {"shot_noise": 4, "snow": 4, "tilt": 12}
    assert results["num_images"] == {"shot_noise": 5, "snow": 2, "tilt": 3}
    for kind, sequences in written.items():
        expected = flips_by_hand(linear_model(), sequences, "noise" in kind)
        found = results["flip_probabilities"][kind]
        assert found == pytest.approx(expected), kind
    # The same frame again and again.
    assert results["flip_probabilities"]["snow"] == 0
    assert results["flip_probabilities"]["tilt"] > 0.3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"perturbation_types": ("tilt", "snow")}, "lacks snow"),
        ({"num_robustness_images": 4}, "=4 is more than the 3 sequences"),
        ({"perturbation_types": ()}, "perturbation_types must be one or more"),
        (
            {"perturbed_data_dir": None, "num_robustness_images": 401},
            "num_robustness_images=401 is more than the 400 images",
        ),
    ],
)
def test_what_is_missing_is_said(settings, message, tmp_path):
    write_frames(tmp_path, "tilt", 3, 2)
    settings = {
        "perturbed_data_dir": str(tmp_path),
        "perturbation_types": ("tilt",),
        **settings,
    }
    with pytest.raises(ValueError, match=message):
        suite(opened(), **settings)


class TestSummary:
    """Scores of results that are made up."""

    def results(self, flips, source="made"):
        return {"source": source, "flip_probabilities": dict(flips)}

    def measured(self, imagenet=False):
        there = opened()
        if imagenet:
            task = dataclasses.replace(
                there.data.task, name="imagenet2012", num_classes=1000
            )
            data = dataclasses.replace(there.data, task=task)
            there = dataclasses.replace(there, data=data)
        return Perturbations(there, RobustnessConfig())

    def test_a_baseline_is_the_unit(self):
        flips = dict.fromkeys(PERTURBATIONS, 0.1)
        base = dict.fromkeys(PERTURBATIONS, 0.4) | {"snow": 0.1}
        found = self.measured().summary(self.results(flips), self.results(base))
        assert found["mean_flip_rate"] == pytest.approx((9 * 25 + 100) / 10)
        assert found["flip_rate_snow"] == pytest.approx(100)
        assert found["mean_flip_probability"] == pytest.approx(0.1)

    def test_without_a_baseline_there_are_only_probabilities(self):
        flips = {"snow": 0.1, "tilt": 0.3}
        found = self.measured().summary(self.results(flips), None)
        assert found == pytest.approx(
            {
                "mean_flip_probability": 0.2,
                "flip_probability_snow": 0.1,
                "flip_probability_tilt": 0.3,
            }
        )

    def test_a_mean_over_some_types_says_so(self):
        flips = {"snow": 0.1, "tilt": 0.3}
        base = self.results({"snow": 0.2, "tilt": 0.0})  # that never flips
        found = self.measured().summary(self.results(flips), base)
        assert found["mean_flip_rate_of_1_types"] == pytest.approx(50)
        assert "mean_flip_rate" not in found

    def test_alexnet_is_the_unit_of_imagenet_s_published_frames(self):
        measured = self.measured(imagenet=True)
        published = self.results(ALEXNET_FLIPS, "perturbed_data_dir")
        unit = measured.published_unit(published)
        found = measured.summary(published, unit)
        assert found["mean_flip_rate"] == pytest.approx(100)
        assert measured.published_unit(self.results(ALEXNET_FLIPS)) is None
        assert self.measured().published_unit(published) is None


def test_where_others_read_none_are_disturbed(monkeypatch):
    """That is said before any model is loaded."""
    there = opened(input_image_size=SIDE)
    monkeypatch.setattr(decoding, "is_elsewhere", lambda: True)
    with pytest.raises(InputError, match="which is no host of the TPU; use"):
        suite(there)
