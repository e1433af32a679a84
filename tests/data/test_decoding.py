"""Broken images are found and named, and cost no other image."""

import numpy as np
import pytest
import tensorflow as tf
from absl import logging

from noisy_student.data import decoding
from noisy_student.errors import InputError


def view(encoded, seed):
    image = tf.io.decode_png(encoded, channels=3)
    return {
        "image": tf.ensure_shape(image + tf.cast(seed[0], tf.uint8), [2, 2, 3])
    }


def encode(*values):
    """Flat images of these values; a broken one for None."""
    return [
        b"broken"
        if value is None
        else tf.io.encode_png(np.full((2, 2, 3), value, np.uint8)).numpy()
        for value in values
    ]


def decode(*values):
    encoded = tf.constant(encode(*values))
    seeds = tf.tile(tf.range(len(values), dtype=tf.int64)[:, None], [1, 2])
    images, decodable = tf.function(
        lambda encoded, seeds: decoding.decode_batch(encoded, seeds, view)
    )(encoded, seeds)
    return images["image"][:, 0, 0, 0].numpy().tolist(), decodable.numpy()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([10, 20, 30], [10, 21, 32]),
        ([10, None, 30], [10, 0, 32]),
        ([None, None, 30], [0, 0, 32]),
        ([None, None], [0, 0]),
    ],
)
def test_broken_images_are_zero_and_known(values, expected):
    images, decodable = decode(*values)
    assert images == expected
    assert decodable.tolist() == [value is not None for value in values]


def test_refusal_names_the_images():
    @tf.function
    def refuse(decodable):
        records = tf.constant(["record 0 of /a", "1 of b train[:9%]", "2"])
        decoding.refuse_undecodable(records, decodable)

    refuse(tf.constant([True, True, True]))
    with (
        pytest.raises(InputError, match=r"^1 of b train\[:9%\], 2 cannot be"),
        decoding.input_errors(),
    ):
        refuse(tf.constant([True, False, False]))


def test_a_refusal_of_many_names_some():
    @tf.function
    def refuse():
        records = tf.constant([f"image {i}" for i in range(6)])
        decoding.refuse_undecodable(records, tf.range(6) < 1)

    message = "^image 1, image 2, image 3 and 2 more cannot be decoded"
    with pytest.raises(InputError, match=message), decoding.input_errors():
        refuse()


def test_other_errors_stay_what_they_are():
    with pytest.raises(tf.errors.InvalidArgumentError), decoding.input_errors():
        tf.reshape([1, 2], [3])


def test_warnings_name_each_image_once_and_count(monkeypatch):
    lines = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: lines.append(text % args)
    )
    warnings = decoding.SkipWarnings()

    @tf.function
    def watch(decodable):
        warnings.watch(tf.constant(["a", "b", "c"]), decodable)

    watch(tf.constant([True, True, True]))
    assert lines == []
    watch(tf.constant([True, False, True]))
    watch(tf.constant([True, False, False]))
    assert lines == [
        "b cannot be decoded and is skipped (1 so far).",
        "c cannot be decoded and is skipped (2 so far).",
    ]
