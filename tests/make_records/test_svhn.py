"""SVHN's splits, of a few images in the form of tensorflow-datasets."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import make_records, noise
from noisy_student.config import DataConfig
from noisy_student.config.tools import MakeSettings, SvhnSettings
from noisy_student.data.open import open_task
from noisy_student.make_records import make
from tests.data.directories import encoded_of, labels_of, photo, read_all

SIZES = {"train": 30, "test": 12, "extra": 20}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return store(tmp_path_factory.mktemp("tfds"), SIZES)


def store(directory, sizes, num_files=1):
    import tensorflow_datasets as tfds

    version = str(tfds.builder_cls("svhn_cropped").VERSION)

    def examples(size):
        for i in range(size):
            image = np.asarray(photo(i + size, (32, 32)))
            yield i, {"id": str(i), "image": image, "label": i % 10}

    tfds.dataset_builders.store_as_tfds_dataset(
        name="svhn_cropped",
        version=version,
        data_dir=directory,
        features=tfds.features.FeaturesDict(
            {
                "id": tfds.features.Text(),
                "image": tfds.features.Image(shape=(32, 32, 3)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
        ),
        split_datasets={name: examples(n) for name, n in sizes.items()},
        download_config=tfds.download.DownloadConfig(num_shards=num_files),
    )
    return directory


def prepare(data_dir, output, **settings):
    values = {"num_workers": 1} | settings
    run(
        make_records.PrepareSvhn(
            SvhnSettings(
                output_dir=str(output), tfds_data_dir=str(data_dir), **values
            )
        )
    )


def run(stage):
    stage.validate()
    stage.run()


def open_records(path, **settings):
    config = DataConfig("svhn_cropped", label_data_dir=str(path), **settings)
    return open_task(config, seed=0)


def pixels(source):
    decoded = (noise.decode(tf.constant(e)) for e in encoded_of(source))
    return [image.numpy().astype(int) for image in decoded]


def test_the_splits_are_the_originals(data_dir, tmp_path):
    prepare(data_dir, tmp_path, num_validation=7)
    files = {path.name for path in tmp_path.iterdir()}
    assert "train-00022-of-00023" in files and "classes.txt" in files
    more = str(tmp_path / "unlabeled")
    data = open_records(tmp_path, unlabel_image_dir=more)
    validation = open_records(tmp_path, test_split="validation").test
    parts = (data.labeled, validation, data.test, data.unlabeled)
    assert [part.num_images for part in parts] == [23, 7, 12, 20]

    config = DataConfig("svhn_cropped", tfds_data_dir=str(data_dir))
    truth = open_task(config, seed=0)
    whole = labels_of(truth.labeled)
    assert sorted(labels_of(data.labeled) + labels_of(validation)) == (
        sorted(whole)
    )
    assert labels_of(data.test) == labels_of(truth.test)
    assert labels_of(data.unlabeled) == labels_of(truth.unlabeled)
    for ours, theirs in zip(pixels(data.test), pixels(truth.test), strict=True):
        assert np.abs(ours - theirs).max() <= 6


@pytest.fixture
def two_shards(monkeypatch):
    """Of each split; the originals are many."""
    number = dict.fromkeys(make.SVHN_NUM_SHARDS, 2)
    monkeypatch.setattr(make, "SVHN_NUM_SHARDS", number)


def test_sets_of_several_files_are_divided_without_overlap(
    two_shards, tmp_path
):
    # With two shards, each is made of many images of both files.
    directory = tmp_path / "tfds"
    store(directory, {"train": 90, "test": 2, "extra": 2}, num_files=2)
    assert len(list(directory.glob("**/*train.tfrecord*"))) == 2
    prepare(directory, tmp_path / "out", num_validation=20)
    parts = [
        encoded_of(open_records(tmp_path / "out", test_split=split).test)
        for split in ("train", "validation")
    ]
    assert [len(set(part)) for part in parts] == [70, 20]
    prepare(directory, tmp_path / "whole", full_train_data=True)
    whole = encoded_of(open_records(tmp_path / "whole").labeled)
    assert not set(parts[0]) & set(parts[1])
    assert sorted(parts[0] + parts[1]) == sorted(whole)


def test_the_seed_chooses_what_validates(two_shards, data_dir, tmp_path):
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        prepare(data_dir, tmp_path / name, num_validation=7, seed=seed)
        source = open_records(tmp_path / name, test_split="validation").test
        found.append([example["encoded"] for example in read_all(source)])
    assert found[0] == found[1] != found[2]


def test_all_training_images_may_train(two_shards, data_dir, tmp_path):
    prepare(data_dir, tmp_path, full_train_data=True)
    data = open_records(tmp_path)
    assert data.labeled.num_images == 30
    validation = open_records(tmp_path, test_split="validation").test
    assert encoded_of(validation) == encoded_of(data.test)


def test_too_many_for_validation(data_dir, tmp_path):
    with pytest.raises(ValueError, match="below the 30 training images"):
        prepare(data_dir, tmp_path, num_validation=30)


def test_names_of_tensorflow_datasets_become_records(data_dir, tmp_path):
    settings = MakeSettings(
        output_dir=str(tmp_path),
        task_name="svhn",
        tfds_data_dir=str(data_dir),
        splits=("test", "train"),
        num_shards=4,
        num_workers=2,
    )
    run(make_records.MakeRecords(settings))
    config = DataConfig("svhn_cropped", tfds_data_dir=str(data_dir))
    truth = open_task(config, seed=0)
    data = open_records(tmp_path)
    assert labels_of(data.labeled) == labels_of(truth.labeled)
    assert labels_of(data.test) == labels_of(truth.test)
    assert data.class_names == truth.class_names
    settings = dataclasses.replace(
        settings,
        output_dir=str(tmp_path / "halves"),
        splits=("train[:50%]", "test=train[50%:]+test[:2]"),
    )
    run(make_records.MakeRecords(settings))
    halves = open_records(tmp_path / "halves")
    assert labels_of(halves.labeled) == labels_of(truth.labeled)[:15]
    assert labels_of(halves.test) == (
        labels_of(truth.labeled)[15:] + labels_of(truth.test)[:2]
    )
    settings = dataclasses.replace(
        settings, output_dir=str(tmp_path / "other"), splits=("dev",)
    )
    message = "splits='dev' is no split of svhn_cropped, .* train, test, extra"
    with pytest.raises(ValueError, match=message):
        make_records.MakeRecords(settings).validate()
