"""What runs leave behind is read as it was left."""

import os

import keras
import pytest
import tensorflow as tf

from tests.faults import traces
from tests.faults.runs import INTERVAL, Life, Run, error_line

WHOLE = [(10, 3.0), (20, 2.0), (30, 1.0)]


@pytest.mark.parametrize(
    ("pieces", "joined"),
    [
        (WHOLE, True),
        ([*WHOLE[:2], (20, 2.0001), WHOLE[2]], True),
        ([*WHOLE[:2], (20, 2.001), WHOLE[2]], False),
        ([(10, 3.0), (20, 2.0), (30, 1.1)], False),
        (WHOLE[:2], False),
        ([*WHOLE, (40, 1.0)], False),
        ([(10, 3.0), (20, float("nan")), (30, 1.0)], False),
    ],
)
def test_a_curve_joins_where_every_piece_agrees(pieces, joined):
    assert traces.joins(pieces, WHOLE) is joined


def write_losses(directory, points):
    writer = tf.summary.create_file_writer(str(directory))
    with writer.as_default():
        for step, loss in points:
            tf.summary.scalar("train/lr", 0.1, step)
            tf.summary.scalar("train/loss", loss, step)
    writer.close()


def test_losses_are_read_up_to_where_a_kill_cut_them_off(tmp_path):
    write_losses(tmp_path, WHOLE)
    (file,) = traces.event_files(tmp_path)
    assert traces.losses(file) == WHOLE
    os.truncate(file, file.stat().st_size - 5)
    assert traces.losses(file) == WHOLE[:2]


def save(directory, step):
    numbers = tf.train.Checkpoint(numbers=tf.Variable(tf.range(1000)))
    numbers.write(str(traces.checkpoint(directory, step)))


def test_the_newest_whole_checkpoint_can_be_read_in_full(tmp_path):
    assert traces.newest_whole(tmp_path) is None
    assert traces.last_saved(tmp_path) == 0
    for step in (90, 100, 110):
        save(tmp_path, step)
    assert traces.saved_steps(tmp_path) == [90, 100, 110]
    assert traces.newest_whole(tmp_path) == 110
    newest = tmp_path / "checkpoints" / "ckpt-110.index"
    os.truncate(newest, newest.stat().st_size // 2)
    before = tmp_path / "checkpoints" / "ckpt-100.data-00000-of-00001"
    os.truncate(before, before.stat().st_size // 2)
    assert traces.newest_whole(tmp_path) == 90
    assert traces.last_saved(tmp_path) == 110


def test_a_checkpoint_is_being_saved_until_it_has_an_index(tmp_path):
    save(tmp_path, 10)
    assert not traces.is_saving(tmp_path, since=0)
    temporary = tmp_path / "checkpoints" / "ckpt-20_temp"
    temporary.mkdir()
    assert traces.is_saving(tmp_path, since=0)
    # What an earlier process left does not count.
    assert not traces.is_saving(tmp_path, temporary.stat().st_mtime)
    temporary.rmdir()
    (tmp_path / "checkpoints" / "ckpt-10.index").unlink()
    assert traces.is_saving(tmp_path, since=0)


def save_model(directory, shift=0.0):
    directory.mkdir()
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.set_weights(
        [weight * 0 + 1 + shift for weight in model.get_weights()]
    )
    model.save(directory / "model.keras")


def test_the_same_weights_agree_closely(tmp_path):
    for name, shift in (("a", 0), ("b", 1e-6), ("c", 1e-3)):
        save_model(tmp_path / name, shift)
    assert traces.same_weights(tmp_path / "a", tmp_path / "b")
    assert not traces.same_weights(tmp_path / "a", tmp_path / "c")
    assert not traces.same_weights(tmp_path / "a", tmp_path / "missing")


@pytest.mark.parametrize(
    ("found", "logged", "goes_on", "fresh"),
    [
        (50, 50 + INTERVAL, True, False),
        (50, 53, True, False),
        (50, None, True, False),
        (50, 50, False, True),
        (50, INTERVAL, False, True),
        (50, 51 + INTERVAL, False, False),
        (None, INTERVAL, True, False),
        (None, 2 * INTERVAL, False, False),
    ],
)
def test_a_process_goes_on_from_the_checkpoint_it_found(
    found, logged, goes_on, fresh
):
    life = Life(found, logged, logged)
    assert (life.goes_on(), life.is_fresh_start()) == (goes_on, fresh)


def test_a_life_is_what_was_logged_in_it(tmp_path):
    run = Run(tmp_path, 30)
    write_losses(tmp_path, WHOLE[:1])
    save(tmp_path, 10)
    with run.life() as life:
        write_losses(tmp_path, WHOLE[1:])
    assert (life.newest, life.first_logged, life.last_logged) == (10, 20, 30)
    assert sorted(run.curve()) == WHOLE


def test_one_error_line_and_no_trace():
    assert error_line("train: 5%\nerror: no room\n") == "error: no room"
    assert error_line("train: 5%\n") is None
    assert error_line("error: no room\nerror: again\n") is None
    assert error_line("Traceback (most recent\nerror: no room\n") is None
