"""What the suite natural measures on made folders, and what it refuses."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from PIL import Image

from noisy_student import config
from noisy_student.config.robustness import RobustnessConfig
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.suites.natural import Natural
from noisy_student.training import distribution
from tests.settings import experiment

FOLDERS = {"three": 3, "3": 3, "one": "1", "eight": 8}


@pytest.fixture(scope="module", params=[1, 2])
def opened(request, two_replicas):
    settings = dataclasses.replace(
        experiment("none"),
        data=config.DataConfig("digits", input_image_size=8),
        run=config.RunConfig(distribution="one_device", eval_batch_size=4),
    )
    devices = distribution.make_devices(settings.run)
    if request.param == 2:
        devices = dataclasses.replace(devices, strategy=two_replicas)
    return Experiment.open(settings, devices)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A directory of class folders, and its images and labels."""
    directory = tmp_path_factory.mktemp("natural")
    images = np.random.default_rng(0).integers(0, 256, (22, 8, 8, 3), np.uint8)
    names = sorted(["three"] * 5 + ["3"] * 2 + ["one"] * 6 + ["eight"] * 9)
    for number, (image, name) in enumerate(zip(images, names, strict=True)):
        (directory / "set" / name).mkdir(parents=True, exist_ok=True)
        path = directory / "set" / name / f"{number:02}.png"
        Image.fromarray(image).save(path)
    (directory / "map.json").write_text(json.dumps(FOLDERS))
    return directory, images, np.array([int(FOLDERS[name]) for name in names])


def test_folders_are_evaluated_by_a_map(opened, made):
    directory, images, labels = made
    name = str(directory / "set")
    suite = Natural(
        opened,
        RobustnessConfig(
            natural_sets=(name,),
            natural_class_map=str(directory / "map.json"),
        ),
    )
    with opened.devices.strategy.scope():
        keras.utils.set_random_seed(1)
        given = keras.Input((8, 8, 3))
        flat = keras.layers.Flatten()(given)
        model = keras.Model(given, keras.layers.Dense(10)(flat))
        suite.validate()
        results = suite.measure(model, "natural")
    logits = images.reshape(22, -1).astype(np.float32) @ model.layers[-1].kernel
    classes = np.array([1, 3, 8])
    among = classes[np.asarray(logits)[:, classes].argmax(axis=1)]
    expected = (np.asarray(logits).argmax(axis=1) == labels).mean()
    found = results[name]
    assert found["top_1_accuracy"] == pytest.approx(expected)
    assert found["limited_top_1_accuracy"] == pytest.approx(
        (among == labels).mean()
    )
    assert found["limited_top_1_accuracy"] > found["top_1_accuracy"]
    assert found["limited_top_5_accuracy"] == 1
    assert (found["num_images"], found["num_classes"]) == (22, 3)
    scores = suite.summary(results, None)
    assert scores == {
        f"{name}_accuracy": found["top_1_accuracy"],
        f"{name}_limited_accuracy": found["limited_top_1_accuracy"],
    }
    of_all = suite.summary({name: found | {"num_classes": 10}}, None)
    assert of_all == {f"{name}_accuracy": found["top_1_accuracy"]}
    json.dumps(results)
    # As ImageNet-A is reported.
    limited = {"imagenet-a": found | {"limited": True}}
    scores = suite.summary(limited, None)
    assert scores == {"imagenet-a_accuracy": found["limited_top_1_accuracy"]}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "natural_sets must name at least one test set"),
        ({"natural_sets": ("none",)}, "natural_sets=none is no directory"),
        (
            {"natural_sets": ("set",)},
            r"the folders eight, one, three are no classes of the task digits",
        ),
        (
            {"natural_sets": ("set",), "natural_class_map": "no.json"},
            "natural_class_map=no.json cannot be read",
        ),
        ({"natural_sets": ("cifar10.1",)}, "prepare it by `tfds build cifar10"),
    ],
)
def test_wrong_sets_are_refused_before(
    settings, message, opened, made, monkeypatch, tmp_path
):
    monkeypatch.chdir(made[0])
    data = dataclasses.replace(opened.config.data, tfds_data_dir=str(tmp_path))
    opened = dataclasses.replace(
        opened, config=dataclasses.replace(opened.config, data=data)
    )
    with pytest.raises(ValueError, match=message):
        Natural(opened, RobustnessConfig(**settings)).validate()
