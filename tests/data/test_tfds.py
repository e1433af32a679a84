import numpy as np
import pytest
import tensorflow as tf

from noisy_student import tasks
from noisy_student.config import DataConfig
from noisy_student.data.open import open_task


def read_all(source):
    examples = list(source.read().as_numpy_iterator())
    assert len(examples) == source.num_images
    return examples


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
