"""Files are read several at once, more than there are cores."""

import threading

import tensorflow as tf

from noisy_student.data import batching, reading
from tests.data.images import take


def waiting_for(number):
    """A function that returns when so many threads are in it."""
    barrier = threading.Barrier(number)

    def wait(value):
        barrier.wait(timeout=60)
        return value

    return lambda x: tf.numpy_function(wait, [x], tf.int64)


def test_reads_wait_together_and_come_in_order():
    places = tf.data.Dataset.range(32).with_options(batching.options())
    read = reading.several_at_once(places, waiting_for(16))
    assert take(read, 32) == list(range(32))
