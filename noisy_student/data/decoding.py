"""Decodes batches of encoded images, and copes with broken ones.

A broken labelled image ends a run with an error that names it. A broken
unlabelled one gets weight 0, and a warning names it.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf
from absl import logging

from noisy_student.data import image_files, record_files
from noisy_student.errors import InputError

Example = dict[str, tf.Tensor]
# Of an encoded image, string (), and a seed, int64 (2,).
View = Callable[[tf.Tensor, tf.Tensor], Example]

_COMPLAINT = "cannot be decoded"
_BAD_LABEL = "has no label from 1 to"
_MAX_NAMES = 3  # broken images named in an error


def decode_batch(
    encoded: tf.Tensor, seeds: tf.Tensor, view: View
) -> tuple[Example, tf.Tensor]:
    """Applies a view to each image of a batch.

    Args:
        encoded: The images, string (batch,).
        seeds: The seeds of their views, int64 (batch, 2).
        view: Decodes an image, and may cut and resize it to a fixed size.

    Returns:
        What the views return, stacked, and whether each image could be
        decoded, bool (batch,). Views of images that could not are 0.
    """
    one_image = tf.TensorSpec([], tf.string), tf.TensorSpec([2], tf.int64)
    traced = tf.function(view).get_concrete_function(*one_image)
    spec = tf.nest.map_structure(
        tf.TensorSpec.from_tensor, traced.structured_outputs
    )

    def at_once(*batch: tf.Tensor) -> tuple[Example, tf.Tensor]:
        views = tf.map_fn(lambda x: view(*x), batch, fn_output_signature=spec)
        return views, tf.ones_like(batch[0], tf.bool)

    def one_by_one(*batch: tf.Tensor) -> tuple[Example, tf.Tensor]:
        count = tf.size(batch[0], out_type=tf.int64)
        decoded = (
            tf.data.Dataset.from_tensor_slices(batch)
            .enumerate()
            .map(lambda place, x: (place, view(*x)))
            .ignore_errors()
        )
        # One more example, because a batch of none would be an error.
        blank = {k: tf.zeros(s.shape, s.dtype) for k, s in spec.items()}
        first = tf.data.Dataset.from_tensors((tf.constant(-1, tf.int64), blank))
        both = first.concatenate(decoded).batch(count + 1)
        places, found = both.get_single_element()
        places = places[1:, tf.newaxis]
        ones = tf.ones_like(places[:, 0])
        whole = {
            key: tf.scatter_nd(places, x[1:], tf.stack([count, *x.shape[1:]]))
            for key, x in found.items()
        }
        return whole, tf.scatter_nd(places, ones, count[tf.newaxis]) > 0

    # TensorFlow can survive the error of an operation only in a dataset. The
    # second way is slower, but knows which image is broken.
    batch = tf.data.Dataset.from_tensors((encoded, seeds))
    either = (
        batch.map(at_once).ignore_errors().concatenate(batch.map(one_by_one))
    )
    return either.take(1).get_single_element()


def refuse_undecodable(records: tf.Tensor, decodable: tf.Tensor) -> None:
    """Makes a graph fail at a broken image, with its name.

    Args:
        records: The names of the images, string (batch,).
        decodable: Whether each could be decoded, bool (batch,).
    """
    broken = tf.boolean_mask(records, ~decodable)
    names = tf.strings.reduce_join(broken[:_MAX_NAMES], separator=", ")
    others = tf.maximum(tf.size(broken) - _MAX_NAMES, 0)
    count = tf.strings.join([" and ", tf.strings.as_string(others), " more"])
    message = tf.strings.join(
        [names, tf.where(others > 0, count, ""), " " + _COMPLAINT]
    )
    tf.debugging.Assert(tf.reduce_all(decodable), [message])


def refuse_labels(
    records: tf.Tensor, labels: tf.Tensor, num_classes: int
) -> None:
    """Makes a graph fail at a label outside of [0, num_classes).

    Args:
        records: The names of the images, string (batch,).
        labels: Their labels, int64 (batch,), 0-based.
        num_classes: The number of classes.
    """
    bad = (labels < 0) | (labels >= num_classes)
    where = tf.boolean_mask(records, bad)[:1]
    number = tf.strings.as_string(tf.boolean_mask(labels, bad)[:1] + 1)
    rule = [f" {_BAD_LABEL} {num_classes} but "]
    message = tf.strings.reduce_join(tf.concat([where, rule, number], 0))
    tf.debugging.Assert(~tf.reduce_any(bad), [message])


class SkipWarnings:
    """Warns of each broken image once, and counts them.

    It is silent where other processes decode; see `is_elsewhere`.

    Attributes:
        records: The names of the broken images so far.
    """

    def __init__(self) -> None:
        self.records: set[bytes] = set()

    def watch(self, records: tf.Tensor, decodable: tf.Tensor) -> None:
        """Adds the warnings to a graph; see `refuse_undecodable`."""
        if is_elsewhere():
            return
        broken = tf.boolean_mask(records, ~decodable)
        tf.cond(
            tf.reduce_all(decodable),
            lambda: tf.constant(0, tf.int64),
            lambda: tf.numpy_function(self._warn, [broken], tf.int64),
        )

    def _warn(self, records: np.ndarray) -> np.int64:
        for record in records:
            if record not in self.records:
                self.records.add(record)
                logging.warning(
                    "%s %s and is skipped (%d so far).",
                    record.decode(),
                    _COMPLAINT,
                    len(self.records),
                )
        return np.int64(len(self.records))


class SkipSilently(SkipWarnings):
    """Warns of no broken image; its weight of 0 tells it."""

    def watch(self, records: tf.Tensor, decodable: tf.Tensor) -> None:
        """Adds nothing to a graph."""
        del records, decodable


def is_elsewhere() -> bool:
    """Whether images are read by other processes than this one.

    The hosts of a TPU read its images. Where this process is none of them,
    pipelines cannot call its Python.
    """
    tpus = tf.config.list_logical_devices("TPU")
    return any("/job:localhost/" not in tpu.name for tpu in tpus)


@contextlib.contextmanager
def input_errors(record_paths: Iterable[str] = ()) -> Iterator[None]:
    """Turns TensorFlow's errors at broken input into readable ones.

    Args:
        record_paths: The TFRecord files that are read, to find damage in.

    Raises:
        InputError: The message names the image, or the file and byte offset.
    """
    try:
        yield
    except (
        tf.errors.InvalidArgumentError,
        tf.errors.NotFoundError,
        tf.errors.PermissionDeniedError,
    ) as error:
        complaint = _complaint(error.message)
        if complaint is None:
            raise
        raise InputError(complaint) from error
    except tf.errors.DataLossError as error:
        damage = record_files.locate_damage(record_paths)
        if damage is None:
            raise
        raise InputError(
            f"{damage[0]} is damaged in the record that starts at byte "
            f"{damage[1]}; make the file again."
        ) from error


def _complaint(message: str) -> str | None:
    """Returns TensorFlow's message for users; None if it is unknown."""
    for pattern, advice in (
        (
            rf"assertion failed: \[(.*?{_COMPLAINT})",
            ". Replace what is broken, or has more than "
            f"{image_files.MAX_PIXELS:,} pixels, or take it out of the data.",
        ),
        (
            rf"assertion failed: \[(.*?{_BAD_LABEL}[^\]]*)\]",
            " (0: none). Correct the file, classes.txt or num_label_classes.",
        ),
        (
            r"(?:^|.*: )(/[^;\n]*; (?:No such file|Permission denied))",
            ". Is the directory still as it was?",
        ),
        (
            r"(Could not parse example|Feature: image/encoded)",
            ": the record files must hold images with image/encoded.",
        ),
    ):
        found = re.search(pattern, message, re.DOTALL)
        if found:
            return found[1].rstrip() + advice
    return None
