"""The stages as functions, on datasets of a program's own."""

import numpy as np
import pytest
import tensorflow as tf

import noisy_student
from noisy_student.config import DataConfig
from noisy_student.data import registered
from noisy_student.data.datasets import Images
from noisy_student.data.open import open_task

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)
LABELS = np.arange(12) % 3


def dataset(images=PIXELS, labels=LABELS):
    return tf.data.Dataset.from_tensor_slices((images, labels))


def opened(**arguments):
    arguments = {"labeled": dataset(), "num_classes": 3} | arguments
    return Images(**arguments).open()


def test_images_reach_the_stages_as_they_are():
    data = opened(unlabeled=tf.data.Dataset.from_tensor_slices(PIXELS[:5]))
    examples = list(data.labeled.read().as_numpy_iterator())
    for number, example in enumerate(examples):
        decoded = tf.io.decode_png(example["encoded"])
        np.testing.assert_array_equal(decoded, PIXELS[number])
        assert example["label"] == LABELS[number]
        assert example["index"] == number
    assert list(data.unlabeled.labels()) == [-1] * 5
    assert data.test.num_images == 0
    assert (data.task.num_classes, data.task.image_size) == (3, 8)
    assert data.task.small_images


def test_dicts_and_pairs_are_alike():
    as_dicts = dataset().map(
        lambda image, label: {"image": image, "label": label}
    )
    one, other = opened(labeled=as_dicts), opened()
    assert one.task == other.task
    assert list(one.labeled.labels()) == list(LABELS)


def test_the_name_of_a_task_tells_its_images():
    changed = PIXELS.copy()
    changed[3, 0, 0, 0] ^= 1
    names = {
        opened().task.name,
        opened(labeled=dataset(changed)).task.name,
        opened(labeled=dataset().take(11)).task.name,
        opened(test=dataset()).task.name,
        opened(name="mine").task.name,
    }
    assert len(names) == 5 and "mine" in names
    assert opened().task.name in names


def test_images_of_several_sizes_are_large_ones():
    sizes = tf.data.Dataset.range(3, 9)
    images = sizes.map(
        lambda n: (tf.zeros([n, 2 * n, 3], tf.uint8), tf.constant(0))
    )
    task = opened(labeled=images).task
    assert not task.small_images and task.image_size is None


def test_num_labeled_divides_them():
    data = opened()
    with registered.task("mine", data):
        config = DataConfig("mine", num_labeled=6)
        divided = open_task(config, seed=0)
    assert sorted(divided.labeled.labels()) == [0, 0, 1, 1, 2, 2]
    assert divided.unlabeled.num_images == 6
    with pytest.raises(ValueError, match="Unknown task_name 'mine'"):
        open_task(config, seed=0)


def floats():
    return dataset(PIXELS.astype(np.float32) / 255)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"labeled": floats()},
            "must be uint8 .* float32.*convert_image_dtype",
        ),
        ({"labeled": dataset().batch(4)}, r"batches of images: add \.unbatch"),
        ({"labeled": dataset(PIXELS[..., :1])}, "grayscale_to_rgb"),
        ({"labeled": dataset().repeat()}, r"never ends: .* take\(number\)"),
        ({"labeled": dataset().take(0)}, "labeled has no images"),
        ({"labeled": dataset().shuffle(12)}, "in another order each time"),
        ({"labeled": (PIXELS, LABELS)}, "got tuple.*from_tensor_slices"),
        ({"labeled": dataset(PIXELS, np.eye(12))}, "one-hot .* tf.argmax"),
        ({"labeled": dataset(PIXELS, LABELS / 1)}, "must be integers"),
        ({"num_classes": 2}, r"labeled must be in \[0, 2\); image 2 has 2"),
        ({"test": dataset(labels=LABELS - 1)}, "of test .* image 0 has -1"),
        ({"test": dataset().map(lambda x, y: x)}, "test must give pairs"),
        ({"num_classes": None}, "num_classes or class_names must be given"),
        ({"class_names": ["a", "b"]}, "got 3 and"),
        ({"num_classes": 1}, "must be 2 or more"),
        ({"labeled": None}, "labeled, unlabeled or test must be a dataset"),
    ],
)
def test_datasets_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        opened(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train_step": 3}, "no setting train_step; did you mean train_steps"),
        ({"zzz": 3}, r"There is no setting zzz\."),
        ({"train_steps": "3"}, "train_steps must be NoneType or int; got '3'"),
        ({"train_steps": True}, "got True"),
        ({"student_unlabel_ratios": 3}, "must be a list; got 3"),
        ({"train_steps": 0}, "train_steps must be above 0"),
        ({"label_data_dir": "x"}, "label_data_dir is for images in files"),
        ({"test": None}, "test must be given"),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments, message, tmp_path):
    images = {"labeled": dataset(), "test": dataset(), "num_classes": 3}
    with pytest.raises(ValueError, match=message):
        noisy_student.train(**images | {"model_dir": tmp_path} | arguments)
    assert not list(tmp_path.iterdir())
