import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from noisy_student.config import DataConfig
from noisy_student.data import sources


def read_all(source):
    examples = list(source.read().as_numpy_iterator())
    assert len(examples) == source.num_images
    return examples


def fingerprints(source):
    return [example["encoded"] for example in read_all(source)]


@pytest.fixture(scope="module")
def digits():
    return sources.open_task(DataConfig("digits"), seed=3)


def test_digits_are_divided_without_loss_or_overlap(digits):
    parts = (digits.labeled, digits.unlabeled, digits.test)
    assert [part.num_images for part in parts] == [50, 1347, 400]
    ours = collections.Counter(list(itertools.chain(*map(fingerprints, parts))))
    scans = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
    truth = collections.Counter(
        tf.io.encode_png(scan[..., None]).numpy() for scan in scans
    )
    assert ours == truth


def test_digits_keep_their_labels(digits):
    scans = load_digits()
    truth = {
        tuple(np.round(image * (255 / 16)).astype(int).ravel()): label
        for image, label in zip(scans.images, scans.target, strict=True)
    }
    for example in read_all(digits.test):
        image = tf.io.decode_png(example["encoded"]).numpy()
        assert truth[tuple(image.ravel())] == example["label"]


def test_labelled_images_are_balanced(digits):
    labels = [example["label"] for example in read_all(digits.labeled)]
    assert np.bincount(labels).tolist() == [5] * 10


def test_the_seed_decides_and_the_order_is_stable(digits):
    again = sources.open_task(DataConfig("digits"), seed=3)
    other = sources.open_task(DataConfig("digits"), seed=4)
    assert fingerprints(digits.labeled) == fingerprints(again.labeled)
    assert fingerprints(digits.unlabeled) == fingerprints(digits.unlabeled)
    assert set(fingerprints(digits.labeled)) != set(fingerprints(other.labeled))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_shards_divide_a_source(digits, count):
    parts = [digits.unlabeled.shard(i, count) for i in range(count)]
    together = list(itertools.chain(*map(fingerprints, parts)))
    assert sorted(together) == sorted(fingerprints(digits.unlabeled))


def test_all_labels_leave_nothing_unlabelled():
    labels = np.array([0, 1] * 4)
    read = tf.data.Dataset.range(8).map(lambda i: {"index": i})
    labeled, rest = sources.split_labeled(lambda: read, labels, 8, 2, seed=0)
    assert rest is None and len(read_all(labeled)) == 8


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_labeled": 55}, "divisible by the 10 classes; got 55"),
        ({"num_labeled": 5000}, "5000 needs 500 images of each class"),
        ({"label_split": "train"}, "label_split is for tensorflow-datasets"),
    ],
)
def test_bad_digits_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        sources.open_task(DataConfig("digits", **config), seed=0)


def test_an_unknown_task_lists_the_known():
    with pytest.raises(ValueError, match=r"Unknown task_name 'nope'.*cifar10"):
        sources.open_task(DataConfig("nope"), seed=0)


def test_a_missing_data_directory_is_named(tmp_path):
    config = DataConfig("cifar10", tfds_data_dir=str(tmp_path / "none"))
    with pytest.raises(ValueError, match="none does not exist"):
        sources.open_task(config, seed=0)


def test_a_data_set_without_labels_is_refused():
    with pytest.raises(ValueError, match="without the features"):
        sources.open_task(DataConfig("div2k/bicubic_x2"), seed=0)


def test_cifar10_is_divided_by_class(cifar_dir):
    data = sources.open_task(
        DataConfig("cifar10", tfds_data_dir=cifar_dir), seed=0
    )
    parts = (data.labeled, data.unlabeled, data.test)
    assert [part.num_images for part in parts] == [4000, 46_000, 10_000]
    examples = read_all(data.labeled)
    labels = [example["label"] for example in examples]
    assert np.bincount(labels).tolist() == [400] * 10
    assert tf.io.decode_png(examples[0]["encoded"]).shape == (32, 32, 3)


def test_splits_and_slices_of_tensorflow_datasets(cifar_dir):
    config = DataConfig(
        "cifar10",
        tfds_data_dir=cifar_dir,
        label_split="train[:1000]",
        unlabel_split="train[1000:3000]",
        test_split="test[:50]",
        num_labeled=100,
    )
    data = sources.open_task(config, seed=0)
    assert data.labeled.num_images == 100
    assert data.unlabeled.num_images == 2000
    assert len(read_all(data.test)) == 50


def test_an_unknown_split_lists_the_known(cifar_dir):
    config = DataConfig(
        "cifar10", tfds_data_dir=cifar_dir, test_split="validation"
    )
    with pytest.raises(ValueError, match=r"'validation' is no split.*train"):
        sources.open_task(config, seed=0)
