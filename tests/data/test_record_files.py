"""Record files counted by their lengths, against TensorFlow's reader."""

import json

import pytest
import tensorflow as tf
from absl import logging

from noisy_student.data import decoding, record_files
from noisy_student.errors import InputError
from tests.data.directories import write_records


@pytest.fixture
def path(tmp_path):
    write_records(tmp_path, "train", [5])
    return tmp_path / "train-00000-of-00001"


def offsets(path):
    """Where records start, by the sizes that TensorFlow reads."""
    found = [0]
    for record in tf.data.TFRecordDataset(str(path)):
        found.append(found[-1] + len(record.numpy()) + 16)
    return found


def damage(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


def test_whole_records_are_counted(path):
    assert record_files.scan(path) == (5, None)


@pytest.mark.parametrize("cut", [1, 11, 12, 13, -1])
def test_a_file_that_is_cut_off_keeps_its_whole_records(path, cut):
    starts = offsets(path)
    at = starts[3] + cut if cut > 0 else starts[4] + cut
    path.write_bytes(path.read_bytes()[:at])
    assert record_files.scan(path) == (3, starts[3])


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert record_files.scan(tmp_path / "empty") == (0, None)


def test_other_files_are_no_records(tmp_path):
    (tmp_path / "text").write_text("thesis" * 100)
    with pytest.raises(InputError, match=r"text is no TFRecord file"):
        record_files.scan(tmp_path / "text")


def test_records_are_read_by_number(path):
    truth = [r.numpy() for r in tf.data.TFRecordDataset(str(path))]
    assert record_files.read_at(path, [1, 4]) == [truth[1], truth[4]]


def test_counts_are_believed_where_the_size_fits(tmp_path, path, capsys):
    size = path.stat().st_size
    counts = tmp_path / "counts.json"
    counts.write_text(json.dumps({path.name: [77, size]}))
    assert record_files.count([path]) == [77]
    assert "count records" not in capsys.readouterr().err
    counts.write_text(json.dumps({path.name: [77, size + 1]}))
    assert record_files.count([path]) == [5]
    assert "count records" in capsys.readouterr().err
    counts.write_text("[]")
    with pytest.raises(InputError, match=r"counts\.json must be JSON"):
        record_files.count([path])


def test_a_cut_off_file_is_a_warning_with_its_name(path, monkeypatch):
    lines = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: lines.append(text % args)
    )
    start = offsets(path)[4]
    path.write_bytes(path.read_bytes()[:-1])
    assert record_files.count([path]) == [4]
    assert str(path) in lines[0] and f"starts at byte {start};" in lines[0]


@pytest.mark.parametrize("within", [0, 9, 40, -2])
def test_damage_is_located(tmp_path, path, within):
    write_records(tmp_path, "test", [3])
    starts = offsets(path)
    damage(path, starts[2] + within if within >= 0 else starts[3] + within)
    paths = [str(tmp_path / "test-00000-of-00001"), str(path)]
    assert record_files.locate_damage(paths) == (str(path), starts[2])
    with (
        pytest.raises(InputError, match=rf"starts at byte {starts[2]};"),
        decoding.input_errors(paths),
    ):
        list(tf.data.TFRecordDataset(paths))


def test_where_nothing_is_damaged_the_error_stays(path):
    path.write_bytes(path.read_bytes()[:-1])
    assert record_files.locate_damage([str(path)]) is None
    with (
        pytest.raises(tf.errors.DataLossError),
        decoding.input_errors([str(path)]),
    ):
        list(tf.data.TFRecordDataset(str(path)))


def test_files_are_found_by_prefix(tmp_path):
    write_records(tmp_path, "train", [1] * 11)
    write_records(tmp_path, "extra-images", [1])
    (tmp_path / "tmp.train-00000-of-00002").touch()
    (tmp_path / "counts.json").touch()
    found = record_files.find(tmp_path)
    assert list(found) == ["extra-images", "train"]
    assert [path.name[6:11] for path in found["train"]] == [
        f"{i:05d}" for i in range(11)
    ]


def test_a_set_that_lacks_files_is_refused(tmp_path):
    write_records(tmp_path, "train", [1] * 6)
    for number in (1, 2, 3, 5):
        (tmp_path / f"train-{number:05d}-of-00006").unlink()
    with pytest.raises(ValueError, match=r"all 6 files of train") as error:
        record_files.find(tmp_path)
    assert "train-00001-of-00006, train-00002-of" in str(error.value)
    assert "and 1 others" in str(error.value)


def test_two_sets_of_a_prefix_are_refused(tmp_path):
    write_records(tmp_path, "train", [1, 1])
    write_records(tmp_path, "train", [1])
    with pytest.raises(ValueError, match="of 00001 and of 00002; leave one"):
        record_files.find(tmp_path)
