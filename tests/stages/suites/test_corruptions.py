"""The suite `corruptions`: where images are from, and what is made of them."""

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from noisy_student.config.robustness import CORRUPTIONS, RobustnessConfig
from noisy_student.data import decoding, digits
from noisy_student.disturbances import corruptions as making
from noisy_student.errors import InputError
from noisy_student.evaluation.corruptions import ALEXNET_ERRORS
from noisy_student.files import shards
from noisy_student.stages.suites.corruptions import Corruptions
from tests.data.directories import write_folders
from tests.stages.suites.linear import (
    SIDE,
    linear_model,
    opened,
    spread_over,
)

library = pytest.importorskip(
    "imagecorruptions", reason="requirements-robustness.txt adds it"
)


def suite(opened_experiment, **settings):
    made = Corruptions(opened_experiment, RobustnessConfig(**settings))
    made.validate()
    return made


def by_hand(model, kinds, severities, number):
    """Errors on the digits, image by image, without any pipeline."""
    _, test = digits.load(0)
    examples = spread_over(test, number)
    errors = {}
    for kind in kinds:
        errors[kind] = []
        for severity in severities:
            images = [
                making.corrupt(
                    tf.io.decode_png(x["encoded"], channels=3).numpy(),
                    kind,
                    severity,
                    place,
                )
                for place, x in enumerate(examples)
            ]
            answers = model.predict(np.stack(images), verbose=0).argmax(axis=1)
            wrong = answers != [x["label"] for x in examples]
            errors[kind].append(wrong.mean())
    return errors


@pytest.mark.parametrize(("replicas", "batch_size"), [(1, 5), (2, 16)])
def test_errors_are_those_of_each_image(replicas, batch_size, two_replicas):
    """The same on any number of devices."""
    strategy = two_replicas if replicas == 2 else None
    there = opened(strategy, batch_size, input_image_size=SIDE)
    kinds, severities = ("shot_noise", "impulse_noise"), (2, 5)
    measured = suite(
        there,
        corruption_types=kinds,
        severities=severities,
        num_robustness_images=13,
    )
    with there.devices.strategy.scope():
        model = linear_model()
        results = measured.measure(model, "test")
    expected = by_hand(linear_model(), kinds, severities, 13)
    assert results["errors"] == {k: pytest.approx(expected[k]) for k in kinds}
    assert {**results, "errors": None} == {
        "source": "made",
        "num_images": 13,
        "severities": [2, 5],
        "errors": None,
    }


def write_corrupted(root, classes, kinds, severities, count=2):
    folders = {
        f"{kind}/{severity}/{name}": count
        for kind in kinds
        for severity in severities
        for name in classes
    }
    write_folders(root, folders, (SIDE, SIDE))


def test_folders_are_read_as_they_are(tmp_path):
    classes = [str(number) for number in range(10)]
    write_corrupted(tmp_path, classes, ("fog", "snow"), (1, 3))
    there = opened(input_image_size=SIDE)
    measured = suite(
        there,
        corrupted_data_dir=str(tmp_path),
        corruption_types=("fog", "snow"),
        severities=(1, 3),
    )
    model = linear_model()
    results = measured.measure(model, "test")
    assert results["source"] == "corrupted_data_dir"
    assert results["num_images"] == 20
    for kind in ("fog", "snow"):
        for severity, error in zip(
            (1, 3), results["errors"][kind], strict=True
        ):
            paths = sorted((tmp_path / kind / str(severity)).glob("*/*"))
            wrong = [
                model(
                    tf.io.decode_jpeg(
                        path.read_bytes(), dct_method="INTEGER_ACCURATE"
                    )[None]
                )
                .numpy()
                .argmax()
                != int(path.parent.name)
                for path in paths
            ]
            assert error == pytest.approx(np.mean(wrong), abs=0.051)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "lacks snow/1, snow/3. Add them, or name fewer"),
        ({"corrupted_data_dir": "none"}, "there is no directory none"),
        ({"corruption_types": ("fog",)}, r"missing in fog/3 \(1, such as 0/"),
        (
            {"corruption_types": ("fog",), "severities": (1,)},
            "num_robustness_images=21 is more than the 20 images",
        ),
        ({"corruption_types": ()}, "corruption_types must be one or more"),
        ({"severities": (1, 1)}, "severities must be one or more different"),
    ],
)
def test_what_is_missing_is_listed(settings, message, tmp_path):
    classes = [str(number) for number in range(10)]
    write_corrupted(tmp_path, classes, ("fog",), (1, 3))
    next(iter(sorted(tmp_path.glob("fog/3/*/*")))).unlink()
    settings = {
        "corrupted_data_dir": str(tmp_path),
        "corruption_types": ("fog", "snow"),
        "severities": (1, 3),
        "num_robustness_images": 21,
        **settings,
    }
    with pytest.raises(ValueError, match=message):
        suite(opened(input_image_size=SIDE), **settings)


def test_other_images_of_a_condition_and_missing_classes_are_named(tmp_path):
    classes = [str(number) for number in range(10)]
    write_corrupted(tmp_path, classes, ("fog",), (1, 2))
    settings = {
        "corrupted_data_dir": str(tmp_path),
        "corruption_types": ("fog",),
        "severities": (1, 2),
    }
    there = opened(input_image_size=SIDE)
    suite(there, **settings)
    # As many images of each, but not the same ones.
    for severity, place in ((1, 0), (2, 1)):
        sorted(tmp_path.glob(f"fog/{severity}/4/*"))[place].unlink()
    with pytest.raises(ValueError, match=r"fog/1 \(1, such as 4/.*fog/2 \(1"):
        suite(there, **settings)
    for path in tmp_path.glob("fog/*/4/*"):
        path.unlink()
    with pytest.raises(ValueError, match="all 10 classes, and has those of 9"):
        suite(there, **settings)


def test_folders_of_other_classes_are_refused(tmp_path):
    images = tmp_path / "images"
    write_folders(images, {"train/cat": 2, "train/dog": 2, "test/cat": 2})
    write_corrupted(tmp_path / "c", ["cat", "horse"], ("fog",), (1,))
    there = opened(label_data_dir=str(images), task_name="pets")
    with pytest.raises(ValueError, match="horse are not"):
        suite(
            there,
            corrupted_data_dir=str(tmp_path / "c"),
            corruption_types=("fog",),
            severities=(1,),
        )
    with pytest.raises(ValueError, match="a folder for each of the 10 classes"):
        suite(
            opened(),
            corrupted_data_dir=str(tmp_path / "c"),
            corruption_types=("fog",),
            severities=(1,),
        )


def test_without_the_library_nothing_is_made(monkeypatch):
    def refuse():
        raise ValueError("pip install")

    monkeypatch.setattr(making, "check_installed", refuse)
    with pytest.raises(ValueError, match="pip install"):
        suite(opened())


def write_prepared(data_dir, name, splits, count):
    """A data set of grey images as tensorflow-datasets prepares it."""
    builder = tfds.builder(name, data_dir=data_dir)
    directory, features = builder.data_path, builder.info.features
    directory.mkdir(parents=True)
    for split in splits:
        prefix = f"{builder.name}-{split}.tfrecord"
        path = pathlib.Path(directory) / shards.shard_name(prefix, 0, 1)
        with shards.shard_writer(path) as writer:
            for number in range(count):
                pixels = np.full((32, 32, 3), 20 * number, np.uint8)
                example = {"image": pixels, "label": number % 10}
                if "id" in features:
                    example["id"] = str(number)
                writer.write(features.serialize_example(example))
    tfds.folder_dataset.write_metadata(
        data_dir=directory, features=features, check_data=False
    )


@pytest.fixture
def prepared(tmp_path):
    """CIFAR-10 and two of its corruptions, a few images of each."""
    write_prepared(tmp_path, "cifar10", ("train", "test"), 10)
    for name in ("frosted_glass_blur_1", "fog_1"):
        write_prepared(tmp_path, f"cifar10_corrupted/{name}", ("test",), 7)
    return str(tmp_path)


def test_prepared_data_sets_are_read(prepared):
    data = {
        "task_name": "cifar10",
        "tfds_data_dir": prepared,
        "num_labeled": 10,
    }
    kinds = ("glass_blur", "fog")
    measured = suite(opened(**data), corruption_types=kinds, severities=(1,))
    model = linear_model(side=32)
    results = measured.measure(model, "test")
    assert results["source"] == "tensorflow-datasets"
    assert results["num_images"] == 7
    images = [np.full((32, 32, 3), 20 * n, np.float32) for n in range(7)]
    answers = model.predict(np.stack(images), verbose=0).argmax(axis=1)
    wrong = np.mean(answers != np.arange(7))
    assert results["errors"] == {k: [pytest.approx(wrong)] for k in kinds}
    with pytest.raises(
        ValueError, match="lacks cifar10_corrupted/fog_2, cifar10_corrupted/s"
    ):
        suite(
            opened(**data),
            corruption_types=("fog", "snow"),
            severities=(1, 2),
        )
    # Nothing of it, or other test images: they are made.
    assert suite(opened(**data), corruption_types=("snow",))._source == "made"
    data["num_test_images"] = 3
    assert suite(opened(**data), corruption_types=("fog",))._source == "made"


class TestSummary:
    """Scores of results that are made up."""

    def results(self, kinds=CORRUPTIONS, error=0.2, severities=(1, 2, 3, 4, 5)):
        return {
            "source": "made",
            "num_images": 4,
            "severities": list(severities),
            "errors": {kind: [error] * len(severities) for kind in kinds},
        }

    def test_a_baseline_is_the_unit(self):
        measured = Corruptions(opened(), RobustnessConfig())
        found = measured.summary(self.results(), self.results(error=0.4))
        assert found["mean_corruption_error"] == pytest.approx(50)
        assert found["corruption_error_fog"] == pytest.approx(50)
        assert found["error_fog"] == pytest.approx(0.2)
        assert found["corrupted_error"] == pytest.approx(0.2)

    def test_without_a_baseline_there_are_only_errors(self):
        measured = Corruptions(opened(), RobustnessConfig())
        found = measured.summary(self.results(), None)
        assert {*found} == {
            "corrupted_error",
            *(f"error_{kind}" for kind in CORRUPTIONS),
        }

    def test_a_mean_over_some_types_says_so(self):
        measured = Corruptions(opened(), RobustnessConfig())
        kinds = ("fog", "snow", "saturate")
        base = self.results(kinds, error=0.4)
        base["errors"]["saturate"] = [1.0] * 5
        found = measured.summary(self.results(kinds), base)
        assert found["mean_corruption_error_of_2_types"] == pytest.approx(50)
        assert found["corruption_error_saturate"] == pytest.approx(20)
        assert "mean_corruption_error" not in found

    def test_alexnet_is_the_unit_of_the_published_imagenet_c(self):
        there = opened()
        task = dataclasses.replace(
            there.data.task, name="imagenet2012", num_classes=1000
        )
        data = dataclasses.replace(there.data, task=task)
        there = dataclasses.replace(there, data=data)
        measured = Corruptions(there, RobustnessConfig())
        results = self.results() | {"source": "corrupted_data_dir"}
        results["errors"] = {
            kind: [error] * 5 for kind, error in ALEXNET_ERRORS.items()
        }
        found = measured.summary(results, measured.published_unit(results))
        assert found["mean_corruption_error"] == pytest.approx(100)
        for other in ({"severities": [1, 2]}, {"source": "made"}):
            assert measured.published_unit(results | other) is None
        assert (
            Corruptions(opened(), RobustnessConfig()).published_unit(results)
            is None
        )


def test_where_others_read_none_are_disturbed(monkeypatch):
    """That is said before any model is loaded."""
    there = opened(input_image_size=SIDE)
    monkeypatch.setattr(decoding, "is_elsewhere", lambda: True)
    with pytest.raises(InputError, match="which is no host of the TPU; use"):
        suite(there)
