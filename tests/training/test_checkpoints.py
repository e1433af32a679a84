import logging

import pytest
import tensorflow as tf

from noisy_student.errors import InputError
from noisy_student.files import writing
from noisy_student.training import checkpoints


@pytest.fixture
def value():
    return tf.Variable([0.0] * 1000)


def fill(directory, value, steps, keep=5):
    kept = checkpoints.Checkpoints(directory, keep, value=value)
    for step in steps:
        value.assign([float(step)] * 1000)
        kept.save(step)
    value.assign([-1.0] * 1000)
    return kept


def test_the_newest_is_taken_up(tmp_path, value):
    kept = fill(tmp_path / "new", value, [9, 10, 100])
    assert kept.restore_newest() == 100
    assert float(value[0]) == 100
    assert kept.steps() == [9, 10, 100]


def test_old_ones_go(tmp_path, value):
    kept = fill(tmp_path, value, [9, 10, 100], keep=2)
    assert kept.steps() == [10, 100]
    assert len(list(tmp_path.iterdir())) == 4


def test_nothing_is_there_at_first(tmp_path, value):
    assert fill(tmp_path, value, []).restore_newest() is None


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("part", ["ckpt-3.index", "ckpt-3.data-00000-of-00001"])
@pytest.mark.parametrize("harm", [cut, lambda path: path.write_bytes(b"")])
def test_a_damaged_one_is_passed_over(tmp_path, value, part, harm, caplog):
    kept = fill(tmp_path, value, [1, 2, 3])
    harm(tmp_path / part)
    with caplog.at_level(logging.WARNING):
        assert kept.restore_newest() == 2
    assert float(value[0]) == 2
    assert "ckpt-3 cannot be read" in caplog.text
    assert kept.steps() == [1, 2, 3]  # for whoever can mend it


def test_a_half_written_one_does_not_count(tmp_path, value):
    kept = fill(tmp_path, value, [1, 2])
    (tmp_path / "ckpt-2.index").unlink()
    assert kept.restore_newest() == 1


def test_without_a_whole_one_nothing_begins_anew(tmp_path, value):
    kept = fill(tmp_path, value, [1])
    cut(tmp_path / "ckpt-1.index")
    with pytest.raises(InputError, match="remove the directory to begin anew"):
        kept.restore_newest()


def test_another_models_is_refused(tmp_path, value):
    fill(tmp_path, value, [1])
    other = checkpoints.Checkpoints(tmp_path, 5, other=tf.Variable(1.0))
    with pytest.raises(InputError, match="cannot be read"):
        other.restore(1)


def test_a_place_that_takes_no_files(tmp_path, value):
    (tmp_path / "file").write_text("")
    kept = checkpoints.Checkpoints(tmp_path / "file", 5, value=value)
    with pytest.raises(InputError, match="file/ckpt-1 cannot be written"):
        kept.save(1)


def test_an_error_while_writing_leaves_the_earlier(
    tmp_path, value, monkeypatch
):
    kept = fill(tmp_path, value, [1])

    def full(self, prefix):
        with open(f"{prefix}.data-00000-of-00001", "w") as file:
            file.write("half")
        raise tf.errors.ResourceExhaustedError(None, None, "No space left")

    with monkeypatch.context() as patch:
        patch.setattr(tf.train.Checkpoint, "write", full)
        with pytest.raises(InputError, match="No space left"):
            kept.save(2)
    assert len(list(tmp_path.iterdir())) == 2
    assert kept.restore_newest() == 1


def test_those_in_a_bucket_are_kept_alike(bucket, value):
    directory = bucket / "checkpoints"
    kept = fill(directory, value, [9, 10, 100], keep=2)
    assert kept.steps() == [10, 100]
    assert len(list(directory.iterdir())) == 4
    assert kept.restore_newest() == 100 and float(value[0]) == 100
    writing.write_bytes(directory / "ckpt-100.index", b"")
    assert kept.restore_newest() == 10 and float(value[0]) == 10


def test_going_on_from_before_forgets_what_came_later(tmp_path, value):
    kept = fill(tmp_path, value, [3, 9], keep=1)
    value.assign([5.0] * 1000)
    kept.save(5)
    assert kept.steps() == [5]
    value.assign([0.0] * 1000)
    assert kept.restore_newest() == 5 and float(value[0]) == 5
