"""Which files are found."""

import os

import pytest
from PIL import Image

from noisy_student.data import image_files
from noisy_student.errors import InputError
from tests.data.directories import write_folders


def test_links_to_parents_list_no_file_twice(tmp_path):
    heap = write_folders(tmp_path / "heap", {"b": 2, "b/c": 1})
    (tmp_path / "heap/b/c/up").symlink_to(tmp_path / "heap")
    assert image_files.find(tmp_path / "heap") == (sorted(heap), [])


def test_linked_folders_are_found_once(tmp_path):
    heap = write_folders(tmp_path / "heap", {"b": 2})
    more = write_folders(tmp_path / "more", {"d": 2})
    for name, target in (("a", "heap/b"), ("e", "more"), ("f", "more/d")):
        (tmp_path / "heap" / name).symlink_to(tmp_path / target)
    images, _ = image_files.find(tmp_path / "heap")
    assert [path for path in images if path in heap] == sorted(heap)
    linked = [os.path.realpath(path) for path in images if path not in heap]
    assert linked == sorted(more)


def test_heic_wants_what_reads_it(tmp_path, monkeypatch):
    (tmp_path / "photo.HEIC").touch()
    monkeypatch.setattr(Image, "registered_extensions", dict)
    with pytest.raises(InputError, match=r"photo.HEIC is HEIC.*pillow-heif"):
        image_files.find(tmp_path)
    monkeypatch.setattr(
        Image, "registered_extensions", lambda: {".heic": "HEIF"}
    )
    assert image_files.find(tmp_path) == ([str(tmp_path / "photo.HEIC")], [])
