"""Test images are not trained on, whatever their files are called."""

import shutil

import pytest

from noisy_student.config import DataConfig
from noisy_student.data.open import open_task
from tests.data.directories import write_folders


@pytest.fixture
def folders(tmp_path):
    """Photographs, all different."""
    write_folders(
        tmp_path,
        {
            "train/a": 4,
            "train/b": 4,
            "test/a": 2,
            "test/b": 2,
            "unlabelled": 3,
        },
    )
    return tmp_path


def opened(folders):
    return open_task(DataConfig(label_data_dir=str(folders)), 0)


def test_different_images_stay(folders, warnings):
    data = opened(folders)
    assert (data.labeled.num_images, data.unlabeled.num_images) == (8, 3)
    assert not warnings


def test_copies_of_test_images_are_left_out(folders, warnings):
    shutil.copy(folders / "test/a/000.jpg", folders / "train/b/copy.jpg")
    shutil.copy(folders / "test/b/001.jpg", folders / "unlabelled/other.jpg")
    # Of the same size, and not the same.
    content = bytearray((folders / "test/a/001.jpg").read_bytes())
    content[-3] ^= 1
    (folders / "train/a/similar.jpg").write_bytes(content)
    data = opened(folders)
    assert (data.labeled.num_images, data.unlabeled.num_images) == (9, 3)
    assert data.test.num_images == 4
    assert warnings == [
        "1 labelled images are test images, too, and are left out of "
        f"training: {folders}/train/b/copy.jpg.",
        "1 unlabelled images are test images, too, and are left out of "
        f"training: {folders}/unlabelled/other.jpg.",
    ]
