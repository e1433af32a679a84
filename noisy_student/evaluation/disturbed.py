"""Batches whose images are disturbed in processes beside the prediction."""

import collections
import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from noisy_student.data import batching, decoding
from noisy_student.data.passes import Batches
from noisy_student.errors import InputError
from noisy_student.processes import Workers

_Batch = dict[str, np.ndarray]
_CHUNK_BYTES = 2**21  # disturbed images that a process returns at a time
_LARGEST_CHUNK = 32  # so that the processes end at about the same time


def check_place() -> None:
    """Refuses to disturb images where other machines read them.

    Raises:
        InputError: This machine is no host of the TPU.
    """
    if decoding.is_elsewhere():
        raise InputError(
            "Images are disturbed on this machine, which is no host of the "
            "TPU; use its own host, a GPU or distribution=one_device."
        )


class Disturbed:
    """Disturbs batches, in order.

    Attributes:
        workers: The processes that do it.
        function: Disturbs images, uint8 (images, side, side, 3), and returns
            as many arrays. Besides, it takes what `arguments` returns.
        arguments: From places of images, int64 (images,), to the function's
            other arguments, which the places choose.
        frames: Number of frames that an image becomes; None for one image.
    """

    def __init__(
        self,
        workers: Workers,
        function: Callable[..., np.ndarray],
        arguments: Callable[[np.ndarray], tuple[Any, ...]],
        frames: int | None = None,
    ) -> None:
        self.workers = workers
        self.function = function
        self.arguments = arguments
        self.frames = frames
        self._error: BaseException | None = None

    def batches(self, plain: Batches) -> Batches:
        """Returns the disturbed images of some batches.

        Args:
            plain: Makes batches of full size with `image`, uint8 (batch, side,
                side, 3), `row`, int64 (batch,), and `weight`, float32
                (batch,). Images of weight 0 become black.

        Returns:
            What makes the same batches with other images: uint8, of the same
            shape, or with frames (batch, frames, side, side, 3).
        """

        def make(context: tf.distribute.InputContext) -> tf.data.Dataset:
            dataset = plain(context)
            spec = dict(dataset.element_spec)
            batch, *shape = spec["image"].shape
            frames = [] if self.frames is None else [self.frames]
            spec["image"] = tf.TensorSpec([batch, *frames, *shape], tf.uint8)
            return (
                tf.data.Dataset.from_generator(
                    lambda: self._disturb(dataset), output_signature=spec
                )
                .prefetch(2)
                .with_options(batching.options())
            )

        return make

    @contextlib.contextmanager
    def own_errors(self) -> Iterator[None]:
        """Raises the error that ended the batches, if there was one.

        TensorFlow makes one of its own of it, which says less.
        """
        try:
            yield
        except tf.errors.OpError as error:
            if self._error is None:
                raise
            raise self._error from error

    def _disturb(self, dataset: tf.data.Dataset) -> Iterator[_Batch]:
        begun: collections.deque[tuple[_Batch, int]] = collections.deque()

        def calls() -> Iterator[tuple[Any, ...]]:
            for batch in dataset.as_numpy_iterator():
                places = np.flatnonzero(batch["weight"])
                size = self._chunk_size(batch["image"])
                chunks = np.split(places, range(size, len(places), size))
                begun.append((batch, len(chunks)))
                for chunk in chunks:
                    rows = batch["row"][chunk]
                    yield batch["image"][chunk], *self.arguments(rows)

        try:
            results = self.workers.map(self.function, calls())
            for first in results:
                batch, number = begun.popleft()
                others = itertools.islice(results, number - 1)
                yield _with_images(batch, [first, *others])
        except Exception as error:
            self._error = error
            raise

    def _chunk_size(self, images: np.ndarray) -> int:
        size = _CHUNK_BYTES // (images[0].nbytes * (self.frames or 1))
        share = len(images) // self.workers.number
        return max(1, min(size, share, _LARGEST_CHUNK))


def _with_images(batch: _Batch, chunks: list[np.ndarray]) -> _Batch:
    found = np.concatenate(chunks)
    images = np.zeros((len(batch["weight"]), *found.shape[1:]), np.uint8)
    images[batch["weight"] > 0] = found
    return batch | {"image": images}
