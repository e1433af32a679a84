"""The teacher at work: images in, files of predictions out."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noisy_student import memory, models, progress
from noisy_student.data import decoding, passes, plain, records, sources
from noisy_student.errors import InputError
from noisy_student.files import shards, writing
from noisy_student.models import batch_norm
from noisy_student.pseudo_labels.predictions import PredictionFiles, Share


class Predictor:
    """A model's probabilities, in the images' order on any devices.

    Replicas, and hosts that feed them, may take the images of a step in any
    order and number. Therefore each image carries its place.

    Args:
        model: runs without noise, from images, float (batch, height, width,
            3), to logits, float (batch, classes). It was built in the scope
            of the current strategy, whose replicas predict.
        batches: makes the batches of a source, and takes `batch_size` and
            `context`, as `plain.plain_images` does.
        batch_size: images in a step of all replicas.
    """

    def __init__(
        self,
        model: keras.Model,
        batches: Callable[..., tf.data.Dataset],
        batch_size: int,
    ) -> None:
        self._model = model
        self._batches = batches
        self._batch_size = batch_size

    def __call__(
        self, source: sources.ImageSource, **options: Any
    ) -> Iterator[np.ndarray]:
        """Predicts the images of a source, one pass.

        Args:
            source: the images.
            **options: of `batches`, which takes them too.

        Yields:
            Probabilities of some images after the other, float32 (images,
            classes), which are 0 where the weight of an image is 0.

        Raises:
            InputError: the source has fewer images than it says, or there is
                not enough memory.
        """

        def of_replica(context: tf.distribute.InputContext) -> tf.data.Dataset:
            size = context.get_per_replica_batch_size(self._batch_size)
            return self._batches(
                source, batch_size=size, context=context, **options
            )

        strategy, number = tf.distribute.get_strategy(), source.num_images
        iterator, steps, step_size = passes.distribute(of_replica, number)
        for step in range(steps):
            with memory.enough(
                f"predicting {step_size} images at a time",
                "lower eval_batch_size",
            ):
                places, probabilities = (
                    np.concatenate(strategy.experimental_local_results(values))
                    for values in self._step(iterator)
                )
            first = step * step_size
            due = np.arange(first, min(first + step_size, number))
            yield in_order(places, probabilities, due, source.name)

    def of_share(
        self, source: sources.ImageSource, share: Share
    ) -> Iterator[np.ndarray]:
        """Predicts the images of a share; see `__call__`."""
        del share  # on which noise depends
        return self(source)

    @tf.function
    def _step(self, iterator: Iterator) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns places and probabilities of a step, on each replica."""
        strategy = tf.distribute.get_strategy()
        return strategy.run(self._on_replica, args=(next(iterator),))

    # A method: AutoGraph would leave a nested function's threads alone.
    def _on_replica(
        self, batch: dict[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        logits = self._logits(batch["image"])
        weight = batch["weight"][:, tf.newaxis]
        return batch["row"], tf.nn.softmax(logits) * weight

    def _logits(self, images: tf.Tensor) -> tf.Tensor:
        return self._model(images, training=False)


class NoisedPredictor(Predictor):
    """A model's probabilities under noise, for the paper's ablation.

    Its images are noised, its dropout and stochastic depth are on, and its
    norms, which are frozen, use the statistics that they have. On the same
    devices, with the same `batch_size`, a share's probabilities are a function
    of the seed (arXiv 1911.04252, section 4.1).

    Args:
        model: see `Predictor`.
        batches: as `plain.noised_images` does; also takes `seed`.
        batch_size: see `Predictor`.
        seed: of the noise, from 0.
    """

    def __init__(
        self,
        model: keras.Model,
        batches: Callable[..., tf.data.Dataset],
        batch_size: int,
        seed: int,
    ) -> None:
        super().__init__(model, batches, batch_size)
        batch_norm.freeze(model)
        self._states = models.random_states(model)
        self._seed = seed

    def of_share(
        self, source: sources.ImageSource, share: Share
    ) -> Iterator[np.ndarray]:
        """Predicts the images of a share under noise of its own."""
        sequence = np.random.SeedSequence([self._seed, *share])
        of_images, *of_model = sequence.generate_state(1 + len(self._states))
        for state, seed in zip(self._states, of_model, strict=True):
            state.assign([seed >> 1, 0])  # the state may be signed
        yield from self(source, seed=int(of_images))

    def _logits(self, images: tf.Tensor) -> tf.Tensor:
        return models.call_as_teacher(self._model, images)


def in_order(
    places: np.ndarray, values: np.ndarray, due: np.ndarray, name: str
) -> np.ndarray:
    """Brings a step's values into the images' order.

    Args:
        places: the places of the images, int64 (batch,), in any order;
            `plain.NO_ROW` where there is none.
        values: of these images, (batch, ...).
        due: the places that the step must have, int64 (images,), ascending.
        name: of the images, for the message.

    Returns:
        The values of the images that are due, (images, ...).

    Raises:
        InputError: other images came.
    """
    order = np.argsort(places, kind="stable")
    order = order[places[order] != plain.NO_ROW]
    found = places[order]
    if np.array_equal(found, due):
        return values[order]
    missing = np.setdiff1d(due, found)
    wrong = f"{len(found)} came, some of them twice or too many"
    if len(missing):
        wrong = f"image {missing[0]} did not come"
    raise InputError(
        f"{name}: of the images {due[0]} to {due[-1]}, counted from 0, {wrong}"
        ". Are the files, or the dataset, still what they were at the start?"
    )


def predict(
    predictor: Predictor,
    source: sources.ImageSource,
    files: PredictionFiles,
    shares: Iterable[Share],
    made_from: dict[str, Any],
) -> None:
    """Writes the probabilities of a teacher.

    Args:
        predictor: the teacher. Images with weight 0, which could not be
            decoded, get probabilities of 0.
        source: all unlabelled images.
        files: where the predictions go.
        shares: those to predict.
        made_from: `images` (`TaskData.identity`) and `teacher` (its digest,
            and its noise), which the info files keep.

    Raises:
        InputError: images are damaged or missing, or the disk has no room.
    """
    for share in shares:
        start = time.monotonic()
        images, undecodable = files.images(source, share), 0
        with (
            decoding.input_errors(images.record_paths),
            shards.shard_writer(files.predictions(share)) as writer,
            progress.bar(
                images.num_images, _description(files, share), "image"
            ) as bar,
        ):
            for rows in predictor.of_share(images, share):
                for probabilities in rows:
                    writer.write(records.encode_prediction(probabilities))
                undecodable += int((rows == 0).all(axis=1).sum())
                bar.update(len(rows))
        info = {
            "image_num": images.num_images,
            "undecodable": undecodable,
            "seconds": round(time.monotonic() - start, 1),
            "made_from": files.stamp(made_from),
        }
        writing.write_json(files.info(share), info)


def _description(files: PredictionFiles, share: Share) -> str:
    """What the progress bar says, counting from 1: "predict shard 3/128"."""
    name = f"predict shard {share.shard + 1}/{files.num_shards}"
    if files.total_replicas > 1:
        name += f", worker {share.worker + 1}/{files.total_replicas}"
    return name
