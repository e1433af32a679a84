"""Records that stand alone, as images to label."""

import pytest

from noisy_student.config import DataConfig
from noisy_student.data.open import open_task
from noisy_student.data.raw import open_to_label
from tests.data.directories import (
    encoded_of,
    read_all,
    write_folders,
    write_records,
)


def open_raw(path, task_name="counted", **settings):
    settings = {"file_prefix": "extra"} | settings
    config = DataConfig(task_name, label_data_dir=str(path), **settings)
    return open_to_label(config, seed=0)


def test_no_other_files_are_needed(tmp_path):
    written = write_records(tmp_path, "extra", [3, 4])
    data = open_raw(tmp_path, num_label_classes=7)
    assert encoded_of(data.unlabeled) == written
    assert read_all(data.labeled) == read_all(data.test) == []
    assert data.task.num_classes == 7 and data.class_names is None
    assert data.task.small_images and data.task.image_size == 20


def test_a_shard_is_a_file(tmp_path):
    written = write_records(tmp_path, "extra", [3, 4])
    data = open_raw(tmp_path, num_label_classes=7)
    assert encoded_of(data.unlabeled.shard(1, 2)) == written[3:]


def test_a_known_task_or_classes_txt_says_the_classes(tmp_path):
    write_records(tmp_path, "extra", [2])
    task = open_raw(tmp_path, "svhn").task
    assert task.num_classes == 10 and not task.horizontal_flip
    with pytest.raises(ValueError, match="num_label_classes must be set"):
        open_raw(tmp_path)
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    assert open_raw(tmp_path).class_names == ("ant", "bee")


def test_the_records_alone_identify_the_images(tmp_path):
    """Filtering by the original's flags does not know the task's name."""
    write_records(tmp_path, "extra", [2])
    known = open_raw(tmp_path, "svhn")
    assert known.identity == open_raw(tmp_path, num_label_classes=10).identity
    write_records(tmp_path, "more", [2])
    other = open_raw(tmp_path, "svhn", file_prefix="more")
    assert other.identity != known.identity


def test_several_directories_are_one(tmp_path):
    written = []
    for name in "ab":
        (tmp_path / name).mkdir()
        written += write_records(tmp_path / name, "extra", [2, 1])
    data = open_raw(f"{tmp_path}/a;{tmp_path}/b", "svhn")
    assert encoded_of(data.unlabeled) == written


def test_without_a_prefix_it_is_the_task():
    config = DataConfig("digits")
    data = open_to_label(config, seed=3)
    assert data.identity == open_task(config, seed=3).identity
    assert data.labeled.num_images == 50


def test_bad_settings_are_refused(tmp_path):
    write_records(tmp_path, "extra", [2])
    with pytest.raises(ValueError, match="file_prefix=extra needs label_data_"):
        open_to_label(DataConfig("svhn", file_prefix="extra"), seed=0)
    with pytest.raises(ValueError, match="both say which images to label"):
        open_raw(tmp_path, "svhn", unlabel_image_dir="/heap")
    with pytest.raises(ValueError, match="has no files train-00000-of"):
        open_raw(tmp_path, "svhn", file_prefix="train")
    with pytest.raises(ValueError, match=f"no directory {tmp_path}/none of"):
        open_raw(tmp_path / "none", "svhn")


def test_folders_are_not_taken_for_records(tmp_path):
    write_folders(tmp_path, {"train/a": 1, "train/b": 1, "test/a": 1})
    config = DataConfig(label_data_dir=str(tmp_path), data_type="tfrecord")
    with pytest.raises(ValueError, match=r"data_type=tfrecord, and .* folders"):
        open_task(config, seed=0)
