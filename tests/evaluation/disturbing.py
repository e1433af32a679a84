"""Functions that processes run; they need no TensorFlow."""

import time

import numpy as np

from noisy_student.errors import InputError


def add_places(images, places):
    """The earlier, the slower: later ones overtake them."""
    time.sleep(0.02 * (places[0] % 3 == 0))
    return images + np.uint8(places)[:, None, None, None]


def refuse(images, places):
    if 11 in places:
        raise InputError("image 11 is bad")
    return images
