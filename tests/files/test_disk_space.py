import shutil
import types

import pytest
from etils import epath

from noisy_student.errors import InputError
from noisy_student.files import disk_space


@pytest.fixture
def asked(monkeypatch):
    """The paths whose disk was asked; it has 3 GB free."""
    paths = []

    def usage(path):
        paths.append(path)
        return types.SimpleNamespace(free=3 * 10**9)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    return paths


def test_what_does_not_fit_is_refused_in_one_line(asked, tmp_path):
    directory = tmp_path / "not/yet/there"
    with pytest.raises(InputError) as error:
        disk_space.check(directory, 3 * 10**9 + 1, "Predictions")
    assert str(error.value) == (
        "Predictions take about 3.0 GB, and the disk of "
        f"{directory} has 3.0 GB free. Make room or name another directory, "
        "and run the same command again."
    )
    assert asked == [tmp_path]


def test_what_fits_may_be_written(asked, tmp_path):
    disk_space.check(tmp_path, 3 * 10**9, "Predictions")
    assert asked == [tmp_path]


def test_remote_disks_are_not_asked(asked):
    disk_space.check(epath.Path("gs://bucket/runs"), 10**15, "Predictions")
    assert not asked


def test_a_real_disk_has_room_for_a_little_and_not_for_all(tmp_path):
    disk_space.check(tmp_path, 1, "Predictions")
    with pytest.raises(InputError, match=r"1,000,000\.0 GB, and the disk of"):
        disk_space.check(tmp_path, 10**15, "Predictions")
