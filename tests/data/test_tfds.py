import functools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets

from noisy_student import tasks
from noisy_student.config import DataConfig
from noisy_student.data import order, tfds
from noisy_student.data.open import open_task
from noisy_student.data.sources import Span
from noisy_student.files import shards
from tests.data.directories import encoded_of, labels_of, read_all


def test_an_unknown_task_lists_the_known():
    with pytest.raises(ValueError, match=r"Unknown task_name 'nope'.*cifar10"):
        open_task(DataConfig("nope"), seed=0)


def test_a_missing_data_directory_is_named(tmp_path):
    config = DataConfig("cifar10", tfds_data_dir=str(tmp_path / "none"))
    with pytest.raises(ValueError, match="none does not exist"):
        open_task(config, seed=0)


def test_a_data_set_without_labels_is_refused():
    with pytest.raises(ValueError, match="without the features"):
        open_task(DataConfig("div2k/bicubic_x2"), seed=0)


def test_cifar10_is_divided_by_class(cifar_dir):
    data = open_task(DataConfig("cifar10", tfds_data_dir=cifar_dir), seed=0)
    parts = (data.labeled, data.held_out, data.unlabeled, data.test)
    sizes = [part.num_images for part in parts]
    assert sizes == [3600, 400, 46_000, 10_000]
    examples = read_all(data.labeled)
    labels = [example["label"] for example in examples]
    assert np.bincount(labels).tolist() == [360] * 10
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
    data = open_task(config, seed=0)
    assert data.labeled.num_images == 100
    assert data.unlabeled.num_images == 2000
    assert len(read_all(data.test)) == 50


def test_an_unknown_split_lists_the_known(cifar_dir):
    config = DataConfig(
        "cifar10", tfds_data_dir=cifar_dir, test_split="validation"
    )
    with pytest.raises(ValueError, match=r"'validation' is no split.*train"):
        open_task(config, seed=0)


def test_mean_and_deviation_of_cifar10(cifar_dir):
    config = DataConfig(
        "cifar10", tfds_data_dir=cifar_dir, label_split="train[:5000]"
    )
    data = open_task(config, seed=0)
    pixels = np.stack(
        [
            tf.io.decode_png(example["encoded"]).numpy()
            for example in read_all(data.labeled)
        ]
    )
    task = tasks.KNOWN["cifar10"]
    mean, std = (f(pixels / 255, axis=(0, 1, 2)) for f in (np.mean, np.std))
    np.testing.assert_allclose(mean, task.mean, atol=0.01)
    np.testing.assert_allclose(std, task.std, atol=0.01)


@pytest.fixture
def many_files(tmp_path):
    """A data set in 20 files of 1 to 40 images."""
    features = tensorflow_datasets.features.FeaturesDict(
        {
            "image": tensorflow_datasets.features.Image(shape=(1, 1, 3)),
            "label": tensorflow_datasets.features.ClassLabel(num_classes=251),
        }
    )
    number = 0
    for file in range(20):
        name = shards.shard_name("made_up-train.tfrecord", file, 20)
        with shards.shard_writer(tmp_path / name) as writer:
            for _ in range(1 + 13 * file % 40):
                pixel = np.full([1, 1, 3], number % 256, np.uint8)
                image = {"image": pixel, "label": number % 251}
                writer.write(features.serialize_example(image))
                number += 1
    tensorflow_datasets.folder_dataset.write_metadata(
        data_dir=tmp_path, features=features, check_data=False
    )
    return tensorflow_datasets.builder_from_directory(tmp_path)


@pytest.mark.parametrize("begin", [0, 7, 150])
def test_parts_are_those_that_tensorflow_datasets_numbers(many_files, begin):
    """Also where it reads several files in turn."""
    spans = (Span("train", begin, 300), Span("train", 320, 350))
    truth = [
        (example["encoded"], example["label"])
        for example in tfds.read(many_files, spans).as_numpy_iterator()
    ]
    source = tfds.NamedSource(
        len(truth), lambda: None, "made up", many_files, spans
    )

    def read(source):
        return [(e["encoded"], e["label"]) for e in read_all(source)]

    assert read(source.stride(2, 3)) == truth[2::3]
    mask = np.random.default_rng(0).random(len(truth)) < 0.1
    expected = [image for image, kept in zip(truth, mask, strict=True) if kept]
    part = source.subset(mask)
    assert read(part) == expected
    assert read(part.stride(1, 2)) == expected[1::2]
    blocks = source.blocks()
    everything = order.in_order(blocks, 7).unbatch().as_numpy_iterator()
    assert [(e["encoded"], e["label"]) for e in everything] == truth


def test_other_labels_go_with_their_images(many_files):
    spans = (Span("train", 7, 300), Span("train", 320, 350))
    read = functools.partial(tfds.read, many_files, spans)
    source = tfds.NamedSource(323, read, "made up", many_files, spans)
    encoded = encoded_of(source)
    labels = np.arange(1000, 1323)
    known = source.with_labels(labels)
    assert encoded_of(known) == encoded
    assert labels_of(known) == labels.tolist()
    mask = np.arange(len(encoded)) % 7 == 3
    part = known.subset(mask).shard(1, 2)
    assert labels_of(part) == labels[mask][1::2].tolist()
    assert encoded_of(part) == encoded_of(source.subset(mask))[1::2]
    assert labels_of(part.with_labels(labels[: part.num_images])) == list(
        range(1000, 1000 + part.num_images)
    )
    # Training reads them in the same order.
    assert known.blocks().sizes.tolist() == source.blocks().sizes.tolist()
