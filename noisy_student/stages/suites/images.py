"""Test images, once for each disturbance, on the way into a model."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from noisy_student.data.folders import FileSource
from noisy_student.data.sources import ImageSource
from noisy_student.stages.experiment import Experiment


def repeated(source: ImageSource, times: int) -> ImageSource:
    """Returns a source's images several times, one round after the other."""
    return source.reading(
        source.num_images * times, lambda: source.read().repeat(times)
    )


def concatenated(sources: Sequence[ImageSource], name: str) -> ImageSource:
    """Returns the images of some sources, one after the other."""
    files = [source for source in sources if isinstance(source, FileSource)]
    if len(files) == len(sources):
        paths = np.concatenate([source.paths for source in files])
        labels = np.concatenate([source.known_labels for source in files])
        index = np.arange(len(paths))
        return FileSource.from_files(paths, labels, index, name)

    def read() -> tf.data.Dataset:
        dataset = sources[0].read()
        for source in sources[1:]:
            dataset = dataset.concatenate(source.read())
        return dataset

    return ImageSource(
        sum(source.num_images for source in sources),
        read,
        name,
        record_paths=tuple(p for s in sources for p in s.record_paths),
        exif=sources[0].exif,
    )


def sequences_once(
    experiment: Experiment,
    source: FileSource,
    frames: int,
    side: int,
    context: tf.distribute.InputContext,
    batch_size: int,
) -> tf.data.Dataset:
    """Returns one pass over a worker's part of sequences of frames.

    Args:
        experiment: How images of the task reach a model.
        source: The frames of one sequence after the other.
        frames: The number of frames of each.
        side: Of the model's input, in pixels.
        context: The worker's place.
        batch_size: The number of sequences in a batch.

    Returns:
        Batches as `evaluation.perturbations.Flips` takes them.
    """
    worker, workers = context.input_pipeline_id, context.num_input_pipelines
    numbers = np.arange(worker, source.num_images // frames, workers)
    places = (numbers[:, None] * frames + np.arange(frames)).ravel()

    def stack(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        shape = [batch_size, frames, side, side, 3]
        row = batch["row"][::frames] // frames
        return {
            "image": tf.reshape(batch["image"], shape),
            "row": tf.ensure_shape(row * workers + worker, [batch_size]),
            "weight": tf.ensure_shape(batch["weight"][::frames], [batch_size]),
        }

    part = source.at(places)
    batches = experiment.plain_images(
        part, side, batch_size * frames, as_they_are=True
    )
    return batches.map(stack)


def is_imagenet(experiment: Experiment) -> bool:
    """Whether results of AlexNet on ImageNet's classes are known."""
    task = experiment.data.task
    return task.name == "imagenet2012" and task.num_classes == 1000
