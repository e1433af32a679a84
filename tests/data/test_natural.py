"""Which images and labels a test set has, and what is refused."""

import io
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from noisy_student import tasks
from noisy_student.data import natural
from noisy_student.data.sources import ImageSource, TaskData

ANIMALS = ("bear", "cat", "dog", "fox", "goat", "hare", "ibex", "jay", "koi")

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer")
CIFAR10 += ("dog", "frog", "horse", "ship", "truck")


def task_of(name, num_classes, class_names=None):
    nothing = ImageSource(0, lambda: None, "nothing")
    task = tasks.KNOWN.get(name) or tasks.generic_task(name, num_classes, 8)
    return TaskData(task, nothing, None, nothing, {}, class_names)


ZOO = task_of("zoo", 9, ANIMALS)


def write_folders(directory, folders):
    """Two images in each, whose grey value is the folder's place."""
    for place, name in enumerate(folders):
        (directory / name).mkdir(parents=True)
        for number in range(2):
            image = Image.new("RGB", (8, 8), (place,) * 3)
            image.save(directory / name / f"{number}.png")
    return str(directory)


def contents(source):
    """Of each image the grey value and the label, in order."""
    return [
        (
            Image.open(io.BytesIO(each["encoded"])).getpixel((0, 0))[0],
            each["label"],
        )
        for each in source.read().as_numpy_iterator()
    ]


def test_folders_have_the_names_of_classes(tmp_path):
    path = write_folders(tmp_path / "set", ["hare", "bear", "fox"])
    found = natural.open_set(path, ZOO)
    assert contents(found.source) == [(1, 0)] * 2 + [(2, 3)] * 2 + [(0, 5)] * 2
    assert found.classes.tolist() == [0, 3, 5]
    assert found.source.num_images == 6
    assert not found.limited
    part = found.source.stride(1, 2)
    assert contents(part) == [(1, 0), (2, 3), (0, 5)]


def test_folders_have_classes_by_a_map(tmp_path):
    path = write_folders(tmp_path / "set", ["n03", "grizzly", "teddy", "cat"])
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"n03": 3, "grizzly": "bear", "teddy": "bear"}))
    class_map = natural.read_class_map(file)
    found = natural.open_set(path, ZOO, class_map=class_map)
    assert sorted(set(contents(found.source))) == [
        (0, 3),
        (1, 0),
        (2, 0),
        (3, 1),
    ]
    assert found.classes.tolist() == [0, 1, 3]


def test_classes_without_names_have_numbers(tmp_path):
    path = write_folders(tmp_path / "set", ["0", "7"])
    found = natural.open_set(path, task_of("digits", 10))
    assert contents(found.source) == [(0, 0)] * 2 + [(1, 7)] * 2


@pytest.mark.parametrize(
    ("class_map", "message"),
    [
        (None, "the folders lion, tiger are no classes of the task zoo .bear,"),
        ({"lion": 3}, "the folders tiger are no classes of the task zoo"),
        ({"lion": 3, "tiger": "cow"}, "the task zoo has no class cow; it has"),
        ({"lion": 9, "tiger": -1}, "the task zoo has no class 9, -1; it has b"),
    ],
)
def test_folders_without_classes_are_listed(class_map, message, tmp_path):
    path = write_folders(tmp_path / "set", ["lion", "cat", "tiger"])
    with pytest.raises(ValueError, match=message):
        natural.open_set(path, ZOO, class_map=class_map)


def test_what_is_no_directory_of_classes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="=imagenet-b is no directory, and no"):
        natural.open_set("imagenet-b", ZOO)
    with pytest.raises(ValueError, match="a folder of images for each class"):
        natural.open_set(str(tmp_path), ZOO)
    (tmp_path / "cat").mkdir()
    with pytest.raises(ValueError, match="is empty"):
        natural.open_set(str(tmp_path), ZOO)


@pytest.mark.parametrize(
    "text", ["[1]", '{"a": true}', '{"a": 1.5}', "{", None]
)
def test_a_map_that_is_none_is_refused(text, tmp_path):
    path = tmp_path / "map.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=r"natural_class_map=.*map.json"):
        natural.read_class_map(path)


def prepare(monkeypatch, directory, name, examples):
    """Makes a data set of tensorflow-datasets of some examples."""
    builder = tfds.builder(name, data_dir=str(directory))
    monkeypatch.setattr(
        type(builder),
        "_split_generators",
        lambda self, manager: {"test": enumerate(examples)},
    )
    builder.download_and_prepare()
    return builder


def photograph(grey):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (grey,) * 3).save(buffer, "JPEG")
    return io.BytesIO(buffer.getvalue())


def imagenet(names=None):
    return task_of("imagenet2012", 1000, names)


@pytest.fixture(scope="module")
def synsets():
    features = tfds.builder("imagenet_a").info.features
    return tuple(features["label"].names)


@pytest.mark.parametrize("named", [True, False])
def test_imagenet_a_is_limited_to_its_classes(
    named, synsets, tmp_path, monkeypatch
):
    labels = np.random.default_rng(0).permutation(1000)[:200]
    examples = [
        {"image": photograph(9), "label": synsets[label], "file_name": "x"}
        for label in [*labels, labels[0]]
    ]
    prepare(monkeypatch, tmp_path, "imagenet_a", examples)
    data = imagenet(synsets if named else None)
    found = natural.open_set("imagenet-a", data, str(tmp_path))
    assert found.limited
    assert found.source.num_images == 201
    np.testing.assert_array_equal(found.classes, np.sort(labels))
    np.testing.assert_array_equal(
        np.unique(found.source.labels()), found.classes
    )


def test_a_part_of_imagenet_a_is_refused(synsets, tmp_path, monkeypatch):
    examples = [
        {"image": photograph(9), "label": name, "file_name": "x"}
        for name in synsets[:199]
    ]
    prepare(monkeypatch, tmp_path, "imagenet_a", examples)
    with pytest.raises(ValueError, match=r"200 classes, and that .* has 199"):
        natural.open_set("imagenet-a", imagenet(), str(tmp_path))


def test_cifar_10_1_has_cifars_classes(tmp_path, monkeypatch):
    image = np.zeros([32, 32, 3], np.uint8)
    examples = [{"image": image + n, "label": n % 10} for n in range(30)]
    prepare(monkeypatch, tmp_path, "cifar10_1/v6", examples)
    for data in (
        task_of("cifar10", 10),
        task_of("cifar10", 10, CIFAR10),
        task_of("own", 10, CIFAR10),
    ):
        found = natural.open_set("cifar10.1", data, str(tmp_path))
        assert found.classes.tolist() == list(range(10))
        assert not found.limited
        assert {g % 10 for g, _ in contents(found.source)} == {*range(10)}
        assert all(g % 10 == label for g, label in contents(found.source))


@pytest.mark.parametrize(
    "name", ["imagenet-a", "imagenet-r", "imagenet-v2", "imagenet-sketch"]
)
def test_sets_that_are_not_there_are_said(name, synsets, tmp_path):
    data_set = name.replace("-", "_")
    with pytest.raises(ValueError, match=f"tfds build {data_set}.*tfds_data_d"):
        natural.open_set(name, imagenet(synsets), str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (task_of("digits", 10), "and the task digits has 10 others"),
        (task_of("own", 10, ANIMALS), "the task own has no airplane, automob"),
        (task_of("own", 10, ("ship",)), "no airplane, .* horse, truck"),
        (task_of("own", 10, CIFAR10[::-1]), "has more, or another order"),
        (task_of("own", 11, (*CIFAR10, "x")), "has more, or another order"),
    ],
)
def test_other_classes_are_refused(data, message, tmp_path, monkeypatch):
    image = np.zeros([32, 32, 3], np.uint8)
    prepare(
        monkeypatch, tmp_path, "cifar10_1/v6", [{"image": image, "label": 0}]
    )
    with pytest.raises(ValueError, match=message):
        natural.open_set("cifar10.1", data, str(tmp_path))
