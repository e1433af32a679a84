"""Only the first images, or files, of a split."""

import pytest

from noisy_student.config import DataConfig
from noisy_student.data.open import open_task
from noisy_student.files import shards
from tests.data.directories import (
    encoded_of,
    write_folders,
    write_records,
)


def open_images(path, task_name="insects", **settings):
    config = DataConfig(task_name, label_data_dir=str(path), **settings)
    return open_task(config, seed=0)


@pytest.fixture
def records(tmp_path):
    """Images of three classes in 4 files to train on and 2 to validate."""
    written = {
        "train": write_records(tmp_path, "train", [40, 0, 33, 7]),
        "validation": write_records(tmp_path, "validation", [5, 6]),
    }
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    return tmp_path, written


def test_the_first_images_of_records(records):
    path, written = records
    data = open_images(path, num_train_images=50, num_eval_images=6)
    assert encoded_of(data.labeled) == written["train"][:50]
    assert encoded_of(data.test) == written["validation"][:6]
    assert data.labeled.num_images == 50 and data.test.num_images == 6
    again = open_images(path, num_train_images=80, num_test_images=3)
    assert encoded_of(again.labeled) == written["train"]
    assert encoded_of(again.test) == written["validation"][:3]


def test_the_first_files_of_records(records):
    path, written = records
    for number in (3, 2):  # the others are not even opened
        shard = path / shards.shard_name("train", number, 4)
        shard.write_bytes(b"no records at all")
    data = open_images(path, num_train_shards=2)
    assert encoded_of(data.labeled) == written["train"][:40]
    assert data.labeled.shard(1, 2).num_images == 0
    assert data.test.num_images == 11


def test_the_first_files_of_several_directories(tmp_path):
    written = []
    for name, counts in (("a", [3, 2]), ("b", [4, 1])):
        (tmp_path / name).mkdir()
        written += write_records(tmp_path / name, "train", counts)
        write_records(tmp_path / name, "test", [3])
    both = f"{tmp_path}/a;{tmp_path}/b"
    for number, images in ((1, 3), (2, 5), (3, 9), (4, 10)):
        data = open_images(both, num_train_shards=number, num_label_classes=3)
        assert encoded_of(data.labeled) == written[:images]
        assert data.test.num_images == 6


def test_what_is_left_out_is_not_unlabelled_either(records):
    path, written = records
    data = open_images(path, num_train_images=50, num_labeled=15)
    both = encoded_of(data.labeled) + encoded_of(data.unlabeled)
    assert sorted(both) == sorted(written["train"][:50])
    assert data.labeled.num_images == 15


def test_the_first_images_of_folders(tmp_path):
    files = write_folders(
        tmp_path, {"train/a": 4, "train/b": 3, "test/a": 2, "test/b": 2}
    )
    data = open_images(tmp_path, num_train_images=5, num_test_images=3)
    assert encoded_of(data.labeled) == list(files.values())[:5]
    assert data.labeled.labels().tolist() == [0, 0, 0, 0, 1]
    assert encoded_of(data.test) == list(files.values())[7:10]


def test_the_first_images_of_the_digits():
    config = DataConfig("digits", num_train_images=100, num_test_images=30)
    data = open_task(config, seed=0)
    assert data.labeled.num_images + data.unlabeled.num_images == 100
    everything = open_task(DataConfig("digits"), seed=0)
    assert encoded_of(data.test) == encoded_of(everything.test)[:30]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_train_images": 81}, "num_train_images=81 is more than the 80"),
        ({"num_test_images": 12}, "num_test_images=12 is more than the 11 im"),
        ({"num_eval_images": 12}, "num_eval_images=12 is more than the 11 im"),
        ({"num_train_shards": 5}, "=5 is more than the 4 files of train in"),
    ],
)
def test_more_than_there_are_is_refused(records, settings, message):
    with pytest.raises(ValueError, match=message):
        open_images(records[0], **settings)


def test_numbers_without_effect_are_refused(tmp_path):
    write_folders(tmp_path, {"train/a": 2, "train/b": 2, "test/a": 2})
    with pytest.raises(ValueError, match="num_train_shards=1 is for TFRecords"):
        open_images(tmp_path, num_train_shards=1)
    with pytest.raises(ValueError, match=r"num_eval_images=1 .* has none; num"):
        open_images(tmp_path, num_eval_images=1)
    for name in ("num_train_shards", "num_eval_images"):
        with pytest.raises(ValueError, match=name):
            open_task(DataConfig("digits", **{name: 1}), seed=0)
