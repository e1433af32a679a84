import errno

import pytest

from noisy_student.errors import InputError
from noisy_student.files import shards, writing


def test_two_at_the_same_shard_leave_a_whole_one(tmp_path):
    path = tmp_path / "train-00000-of-00001"
    with shards.shard_writer(path) as slow:
        slow.write(b"same")
        with shards.shard_writer(path) as fast:
            fast.write(b"same")
        whole = path.read_bytes()
        slow.write(b"more")
    assert path.read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    writing.write_json(path, [1])
    with pytest.raises(KeyError), writing.replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert writing.read_json(path) == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line(tmp_path):
    path = tmp_path / "deep/a.json"
    with (
        pytest.raises(InputError, match=rf"{path} cannot be .*No space"),
        writing.replacing(path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(path.parent.iterdir())


def test_errors_of_reading_are_not_the_disks(tmp_path):
    with (
        pytest.raises(OSError, match="input"),
        shards.shard_writer(tmp_path / "train-00000-of-00001"),
    ):
        raise OSError("input")


def test_what_killed_processes_left_goes(tmp_path):
    path = tmp_path / "model.keras"
    leftover = writing.temporary_path(path)
    leftover.write_bytes(b"half")
    assert leftover.suffix == ".keras"  # which Keras asks for
    other = writing.temporary_path(tmp_path / "other.keras")
    other.write_bytes(b"half")
    writing.write_bytes(path, b"whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, other])
