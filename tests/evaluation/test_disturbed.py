"""Batches disturbed by several processes are the ones disturbed here."""

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.disturbances import frames
from noisy_student.errors import InputError
from noisy_student.evaluation.disturbed import Disturbed, check_place
from noisy_student.processes import Workers
from tests.evaluation.disturbing import add_places, refuse

SIDE, NUMBER = 6, 23


@pytest.fixture(scope="module")
def workers():
    with Workers(2) as started:
        yield started


def plain(batch_size):
    images = np.random.default_rng(0).integers(
        0, 200, [NUMBER, SIDE, SIDE, 3], np.uint8
    )
    padding = -NUMBER % batch_size
    content = {
        "image": np.pad(images, [(0, padding)] + [(0, 0)] * 3),
        "label": np.arange(NUMBER + padding),
        "row": np.pad(np.arange(NUMBER), (0, padding)),
        "weight": np.pad(np.ones(NUMBER, np.float32), (0, padding)),
    }
    dataset = tf.data.Dataset.from_tensor_slices(content).batch(
        batch_size, drop_remainder=True
    )
    return images, lambda context: dataset


def batches_of(disturbed, made):
    context = tf.distribute.InputContext()
    return list(disturbed.batches(made)(context).as_numpy_iterator())


@pytest.mark.parametrize("batch_size", [1, 5, 23, 40])
def test_order_is_kept_by_several_processes(workers, batch_size):
    images, made = plain(batch_size)
    disturbed = Disturbed(workers, add_places, lambda rows: (rows,))
    batches = batches_of(disturbed, made)
    originals = list(made(None).as_numpy_iterator())
    assert len(batches) == len(originals) == -(-NUMBER // batch_size)
    for batch, original in zip(batches, originals, strict=True):
        assert batch["image"].shape == original["image"].shape
        for key in ("label", "row", "weight"):
            np.testing.assert_array_equal(batch[key], original[key])
    found = np.concatenate([batch["image"] for batch in batches])
    places = np.arange(NUMBER)[:, None, None, None]
    np.testing.assert_array_equal(found[:NUMBER], images + places)
    assert (found[NUMBER:] == 0).all()


def test_images_become_frames(workers):
    images, made = plain(5)
    disturbed = Disturbed(
        workers,
        frames.make_all,
        lambda rows: (["snow"] * len(rows), 4, rows.tolist()),
        frames=4,
    )
    batches = batches_of(disturbed, made)
    assert batches[0]["image"].shape == (5, 4, SIDE, SIDE, 3)
    found = np.concatenate([batch["image"] for batch in batches])
    for number in (0, 4, 5, 22):
        expected = frames.make(images[number], "snow", 4, number)
        np.testing.assert_array_equal(found[number], expected)


def test_errors_of_a_process_are_raised_as_they_are(workers):
    _, made = plain(4)
    disturbed = Disturbed(workers, refuse, lambda rows: (rows,))
    with pytest.raises(InputError, match="image 11"), disturbed.own_errors():
        batches_of(disturbed, made)
    again = Disturbed(workers, add_places, lambda rows: (rows,))
    assert len(batches_of(again, made)) == 6


def test_other_errors_are_left_as_they_are(workers):
    disturbed = Disturbed(workers, refuse, lambda rows: (rows,))
    with (
        pytest.raises(tf.errors.InvalidArgumentError),
        disturbed.own_errors(),
    ):
        tf.debugging.assert_equal(1, 2)


def test_where_others_read_none_are_disturbed(distant_tpu):
    with pytest.raises(InputError, match="which is no host of the TPU; use"):
        check_place()
