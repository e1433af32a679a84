"""Events that TensorFlow wrote, of one run and of one that was resumed."""

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.report import curves


def write(directory, steps, offset=0.0):
    """A file of events; those of one second have another name each."""
    with tf.summary.create_file_writer(str(directory)).as_default():
        for step in steps:
            tf.summary.scalar("train/loss", step + offset, step)
            tf.summary.text("note", "not a number", step)


def test_scalars_are_read(tmp_path):
    write(tmp_path, [10, 20, 30], 0.5)
    found = curves.read(tmp_path)
    assert [*found] == ["train/loss"]
    steps, values = found["train/loss"]
    assert steps.tolist() == [10, 20, 30]
    np.testing.assert_allclose(values, [10.5, 20.5, 30.5])


def test_steps_that_were_taken_again_count_once(tmp_path):
    write(tmp_path, [10, 20, 30, 40])
    write(tmp_path, [25, 35], 0.5)
    steps, values = curves.read(tmp_path)["train/loss"]
    assert steps.tolist() == [10, 20, 25, 35]
    np.testing.assert_allclose(values, [10, 20, 25.5, 35.5])


def test_a_file_that_is_cut_off_gives_what_is_whole(tmp_path):
    write(tmp_path, [10, 20, 30])
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-150])
    steps, _ = curves.read(tmp_path)["train/loss"]
    assert steps.tolist() == [10, 20]


def test_without_events_there_are_none(tmp_path):
    assert curves.read(tmp_path) == {}


def test_many_points_become_means_of_neighbours():
    steps, values = curves.Curve.of({n: float(n) for n in range(1, 4001)})
    assert len(steps) == 400 and steps[-1] == 4000
    assert values[0] == pytest.approx(np.mean(range(1, 11)))
