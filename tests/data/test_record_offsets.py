"""Where records are, against what TensorFlow reads; kept, and found anew."""

import pytest
import tensorflow as tf
from absl import logging

from noisy_student.data import record_files, record_offsets
from noisy_student.errors import InputError
from noisy_student.files import writing
from tests.data.directories import write_records


@pytest.fixture
def path(tmp_path):
    record_offsets._boundaries.cache_clear()
    write_records(tmp_path, "train", [5])
    return tmp_path / "train-00000-of-00001"


@pytest.fixture
def truth(path):
    found = [0]
    for record in tf.data.TFRecordDataset(str(path)):
        found.append(found[-1] + len(record.numpy()) + 16)
    return found


def find(path):
    """As another process would."""
    record_offsets._boundaries.cache_clear()
    return record_offsets.boundaries([path])[0].tolist()


@pytest.mark.parametrize("cut", [1, 13])
def test_records_are_found_up_to_where_a_file_is_cut_off(path, truth, cut):
    assert find(path) == truth
    path.write_bytes(path.read_bytes()[: truth[3] + cut])
    assert find(path) == truth[:4]


def test_what_was_found_is_kept_where_there_are_counts(
    path, truth, monkeypatch
):
    kept = path.with_name(f"{path.name}.offsets.npy")
    find(path)
    assert not kept.exists()  # a directory of someone else's
    (path.parent / "counts.json").write_text("{}")
    find(path)
    assert list(record_files.find(path.parent)) == ["train"]
    with monkeypatch.context() as patch:
        patch.setattr(record_offsets, "find", lambda path: 1 / 0)
        assert find(path) == truth
    path.write_bytes(path.read_bytes()[: truth[2]])
    assert find(path) == truth[:3]


def test_a_directory_that_is_read_only_is_a_warning(path, truth, monkeypatch):
    def refuse(path, content):
        raise InputError(f"{path} cannot be written.")

    lines = []
    monkeypatch.setattr(writing, "write_bytes", refuse)
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: lines.append(text % args)
    )
    (path.parent / "counts.json").write_text("{}")
    assert find(path) == truth
    assert "cannot be written. The next run must find" in lines[0]
