import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from noisy_student.config import DataConfig
from noisy_student.data import held_out, sources
from noisy_student.data.open import open_task


def read_all(source):
    examples = list(source.read().as_numpy_iterator())
    assert len(examples) == source.num_images
    return examples


def fingerprints(source):
    return [example["encoded"] for example in read_all(source)]


@pytest.fixture(scope="module")
def digits():
    return open_task(DataConfig("digits"), seed=3)


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
    again = open_task(DataConfig("digits"), seed=3)
    other = open_task(DataConfig("digits"), seed=4)
    assert fingerprints(digits.labeled) == fingerprints(again.labeled)
    assert fingerprints(digits.unlabeled) == fingerprints(digits.unlabeled)
    assert set(fingerprints(digits.labeled)) != set(fingerprints(other.labeled))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_shards_divide_a_source(digits, count):
    parts = [digits.unlabeled.shard(i, count) for i in range(count)]
    together = list(itertools.chain(*map(fingerprints, parts)))
    assert sorted(together) == sorted(fingerprints(digits.unlabeled))


def test_a_subset_goes_by_place_in_a_part_too(digits):
    part = digits.unlabeled.shard(1, 3)
    mask = np.arange(part.num_images) % 4 == 1
    chosen = part.subset(mask)
    assert fingerprints(chosen) == fingerprints(part)[1::4]
    again = chosen.subset(np.arange(chosen.num_images) < 5)
    assert fingerprints(again) == fingerprints(part)[1::4][:5]


def test_other_labels_go_with_their_images(digits):
    images = digits.unlabeled
    labels = np.random.default_rng(0).integers(0, 11, images.num_images)
    expected = dict(zip(fingerprints(images), labels, strict=True))
    assert len(expected) == images.num_images
    known = images.with_labels(labels)
    assert fingerprints(known) == fingerprints(images)
    part = known.shard(1, 3).subset(np.arange(449) % 5 == 2)
    for example in [*read_all(known), *read_all(part)]:
        assert example["label"] == expected[example["encoded"]]


def test_all_labels_leave_nothing_unlabelled():
    labels = np.array([0, 1] * 4)
    read = tf.data.Dataset.range(8).map(lambda i: {"index": i})
    source = sources.ImageSource(8, lambda: read, "a test")
    labeled, rest = held_out.keep_labels(source, labels, 8, 2, seed=0)
    assert rest is None and len(read_all(labeled)) == 8


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_labeled": 9}, "=9 must be at least the number of classes, 10"),
        ({"num_labeled": 5000}, "=5000 is more than the 1397 images of"),
        ({"label_split": "train"}, "label_split does not go with"),
    ],
)
def test_bad_digits_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        open_task(DataConfig("digits", **config), seed=0)
