"""Records of tensorflow-datasets, of a few images in its form."""

import dataclasses

import numpy as np
import pytest

from noisy_student import make_records
from noisy_student.config import DataConfig
from noisy_student.config.tools import MakeSettings
from noisy_student.data.open import open_task
from tests.data.directories import encoded_of, labels_of, photo

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


def run(settings):
    stage = make_records.MakeRecords(settings)
    stage.validate()
    stage.run()


def open_records(path, **settings):
    config = DataConfig("svhn_cropped", label_data_dir=str(path), **settings)
    return open_task(config, seed=0)


@pytest.mark.slow
def test_names_of_tensorflow_datasets_become_records(data_dir, tmp_path):
    settings = MakeSettings(
        output_dir=str(tmp_path),
        task_name="svhn",
        tfds_data_dir=str(data_dir),
        splits=("test", "train"),
        num_shards=4,
        num_workers=2,
    )
    run(settings)
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
    run(settings)
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


def test_sets_of_several_files_are_divided_without_overlap(tmp_path):
    # With two shards, each is made of many images of both files.
    directory = tmp_path / "tfds"
    store(directory, {"train": 90, "test": 2, "extra": 2}, num_files=2)
    assert len(list(directory.glob("**/*train.tfrecord*"))) == 2
    settings = MakeSettings(
        output_dir=str(tmp_path / "out"),
        task_name="svhn",
        tfds_data_dir=str(directory),
        splits=("train=train[20:]", "test=train[:20]"),
        num_shards=2,
        num_workers=1,
    )
    run(settings)
    parts = open_records(tmp_path / "out")
    whole = dataclasses.replace(
        settings, output_dir=str(tmp_path / "whole"), splits=("train", "test")
    )
    run(whole)
    first, rest = encoded_of(parts.test), encoded_of(parts.labeled)
    assert [len(set(part)) for part in (first, rest)] == [20, 70]
    assert first + rest == encoded_of(open_records(tmp_path / "whole").labeled)
