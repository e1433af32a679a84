"""Image data sets of tensorflow-datasets as sources.

Any data set whose features include `image` and `label` works by name. Images
stay encoded: the pipelines choose what is decoded, and how much of it.
"""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from noisy_student import tasks
from noisy_student.config.paths import to_path
from noisy_student.data import order, record_blocks
from noisy_student.data.sources import ImageSource, RandomAccessSource, Span

_BATCH = 32  # records parsed at a time
_ENCODED = {"image": tfds.decode.SkipDecoding()}


class NamedImages:
    """A data set of tensorflow-datasets as an `ImageSet`.

    Attributes:
        name: The data set's name.
        class_names: The names of the labels in order.
        builder: The data set.
    """

    def __init__(
        self, name: str, data_dir: str | None, download: bool = True
    ) -> None:
        """Opens the data set.

        Args:
            name: The name in tensorflow-datasets.
            data_dir: Where tensorflow-datasets keeps its data; None is its
                default.
            download: Whether to download it where that is needed.

        Raises:
            ValueError: The data set is unknown, has no labels, is not there,
                or cannot be downloaded.
        """
        self.builder = _open_builder(name, data_dir)
        if not self.builder.is_prepared():
            if not download:
                raise ValueError(_missing(self.builder, name))
            _download(self.builder)
        self.name = self.builder.name
        self.class_names = _label_names(self.builder)

    def split_names(self) -> list[str]:
        """Returns the names of the splits."""
        return list(self.builder.info.splits)

    def shard_sizes(self, split: str) -> list[int]:
        """Returns the number of images in each file of a split."""
        return self.builder.info.splits[split].shard_lengths

    def source(
        self, spans: list[Span], name: str, num_classes: int | None = None
    ) -> ImageSource:
        """See `ImageSet`; all images have labels."""
        del num_classes  # known to the data set
        number = sum(span.stop - span.start for span in spans)
        whole = functools.partial(read, self.builder, spans)
        if self.builder.info.file_format != tfds.core.FileFormat.TFRECORD:
            return ImageSource(number, whole, name)
        return NamedSource(number, whole, name, self.builder, tuple(spans))

    def task(self) -> tasks.Task:
        """Returns the task of this name, with defaults if it is unknown."""
        known = tasks.KNOWN.get(self.name)
        if known is not None:
            return known
        height, width, _ = self.builder.info.features["image"].shape
        return tasks.generic_task(
            self.name,
            len(self.class_names),
            side=height if height == width else None,
        )


def class_names(name: str, data_dir: str | None) -> tuple[str, ...]:
    """Returns the names of a data set's labels, which need not be there.

    Args:
        name: See `NamedImages`.
        data_dir: See `NamedImages`.

    Raises:
        ValueError: The data set is unknown, or has no labels.
    """
    return _label_names(_open_builder(name, data_dir))


@dataclasses.dataclass(frozen=True)
class NamedSource(RandomAccessSource):
    """Images of a data set that tensorflow-datasets keeps as TFRecords.

    Those in another format are an `ImageSource`: read from the begin, in
    training too, and shuffled in a buffer.

    Attributes:
        builder: The data set.
        spans: Which of its images.
        chosen: Which of these, int64 (images,), ascending; no others are
            read. None is all of them.
        given_labels: int64 (images,), in place of their own; None leaves these.
    """

    builder: tfds.core.DatasetBuilder
    spans: tuple[Span, ...]
    chosen: np.ndarray | None = None
    given_labels: np.ndarray | None = None

    def at(self, places: np.ndarray) -> "NamedSource":
        """See `RandomAccessSource`."""
        labels = self.given_labels
        return self._reading(places, None if labels is None else labels[places])

    def with_labels(self, labels: np.ndarray) -> "NamedSource":
        """See `ImageSource`."""
        return self._reading(np.arange(self.num_images), labels)

    def _reading(
        self, places: np.ndarray, labels: np.ndarray | None
    ) -> "NamedSource":
        chosen = places if self.chosen is None else self.chosen[places]

        def read() -> tf.data.Dataset:
            runs = record_blocks.runs(source._listed(), source._parse)
            return order.in_order(runs, _BATCH).unbatch()

        source = dataclasses.replace(
            self,
            num_images=len(chosen),
            read=read,
            chosen=chosen,
            given_labels=labels,
        )
        return source

    def blocks(self) -> order.Blocks:
        """See `ImageSource`."""
        return record_blocks.blocks(self._listed(), self._parse)

    def _parse(
        self,
        serialized: tf.Tensor,
        places: tf.Tensor,
        name: record_blocks.Name,
    ) -> dict[str, tf.Tensor]:
        def features_of(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            features = self.builder.info.features.deserialize_example(
                record, decoders=_ENCODED
            )
            return features["image"], features["label"]

        encoded, label = tf.map_fn(
            features_of, serialized, fn_output_signature=(tf.string, tf.int64)
        )
        return {
            "encoded": encoded,
            "label": label,
            "index": places,
            "record": name(places),
        }

    def _listed(self) -> record_blocks.RecordList:
        """Returns the records in the order of `read`."""
        info = self.builder.info
        files = info.splits[_expression(self.spans)].file_instructions
        paths = tuple(str(file.filename) for file in files)
        firsts = np.array([file.skip for file in files], np.int64)
        numbers = np.array([file.take for file in files], np.int64)

        def number_records(file: tf.Tensor) -> tf.data.Dataset:
            records = tf.data.Dataset.range(tf.gather(numbers, file))
            return records.map(lambda number: (file, number))

        # As tensorflow-datasets interleaves files where nothing is shuffled.
        listed = tf.data.Dataset.range(len(files)).interleave(
            number_records,
            cycle_length=1 if info.disable_shuffling else 16,
            block_length=16,
        )
        every = int(numbers.sum())
        file, number = listed.batch(every).get_single_element()
        file, number = file.numpy(), number.numpy()
        whole = record_blocks.RecordList(paths, file, firsts[file] + number)
        return whole.at(self.chosen)._replace(label=self.given_labels)


def _expression(spans: Iterable[Span]) -> str:
    """Returns the expression of tensorflow-datasets for spans."""
    filled = [span for span in spans if span.stop > span.start]
    return "+".join(f"{s.split}[{s.start}:{s.stop}]" for s in filled)


def _open_builder(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    if data_dir is not None and not to_path(data_dir).is_dir():
        raise ValueError(
            f"tfds_data_dir {data_dir} does not exist; create it, or name "
            "the directory where tensorflow-datasets keeps its data."
        )
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.registered.DatasetNotFoundError, AssertionError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"Unknown task_name {name!r}; known are {', '.join(tasks.KNOWN)} "
            f"and the image data sets of tensorflow-datasets ({reason})."
        ) from error
    _check_features(builder)
    return builder


def _label_names(builder: tfds.core.DatasetBuilder) -> tuple[str, ...]:
    return tuple(builder.info.features["label"].names)


def _check_features(builder: tfds.core.DatasetBuilder) -> None:
    features = builder.info.features
    is_classified = (
        isinstance(features, tfds.features.FeaturesDict)
        and {"image", "label"} <= set(features.keys())
        and isinstance(features["image"], tfds.features.Image)
        and isinstance(features["label"], tfds.features.ClassLabel)
    )
    if not is_classified:
        raise ValueError(
            f"task_name {builder.name!r} names a data set without the "
            "features `image` and `label`; it cannot be classified."
        )


def _download(builder: tfds.core.DatasetBuilder) -> None:
    try:
        builder.download_and_prepare()
    except Exception as error:  # the network has many ways to fail
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"{builder.name} is not prepared in {builder.data_path.parent} "
            f"and could not be downloaded ({type(error).__name__}: {reason}); "
            "set --tfds_data_dir to a directory that has it."
        ) from error


def _missing(builder: tfds.core.DatasetBuilder, name: str) -> str:
    return (
        f"{name} of tensorflow-datasets is not prepared in "
        f"{builder.data_path}; prepare it by `tfds build {name}`, or set "
        "--tfds_data_dir to a directory that has it."
    )


def read(
    builder: tfds.core.DatasetBuilder,
    spans: Iterable[Span],
    in_order: bool = False,
) -> tf.data.Dataset:
    """Returns the dataset of `ImageSource.read`.

    With `in_order`, files are read one after the other, so that images come
    as they are numbered; otherwise several are read in turn, which is faster.
    """
    config = tfds.ReadConfig()
    if in_order:
        config.interleave_cycle_length = 1
    dataset = builder.as_dataset(
        split=_expression(spans),
        shuffle_files=False,
        read_config=config,
        decoders=_ENCODED,
    )
    return dataset.enumerate().map(
        lambda index, features: {
            "encoded": features["image"],
            "label": features["label"],
            "index": index,
        }
    )
