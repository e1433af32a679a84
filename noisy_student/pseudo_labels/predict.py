"""The teacher's probabilities on disk: one record an image, in order.

The probabilities of an image that could not be decoded are all 0.

A shard is the file `train-info-SSSSS-of-NNNNN-WWWWW` in the predictions'
directory and `info-SSSSS-of-NNNNN-WWWWW.txt` (JSON with `image_num`,
`undecodable`, `seconds` and `made_from`) in the info directory. The second is
written last, so that a shard that has it is whole and is not predicted again.
"""

import dataclasses
import json
import pathlib
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noisy_student import progress, run_directory
from noisy_student.data import records, sources
from noisy_student.errors import InputError


@dataclasses.dataclass(frozen=True)
class PredictionFiles:
    """Where the predictions of a source are.

    Attributes:
        output_dir: directory of the predictions.
        info_dir: directory of the counts.
        num_shards: into how many shards the source is divided.
    """

    output_dir: pathlib.Path
    info_dir: pathlib.Path
    num_shards: int

    def predictions(self, shard: int) -> pathlib.Path:
        """The file of a shard's probabilities."""
        return self.output_dir / (self._name("train-info", shard))

    def info(self, shard: int) -> pathlib.Path:
        """The file of a shard's count, which says that it is whole."""
        return self.info_dir / (self._name("info", shard) + ".txt")

    def _name(self, prefix: str, shard: int) -> str:
        name = records.shard_name(prefix, shard, self.num_shards)
        return f"{name}-{0:05d}"

    def missing(self) -> list[int]:
        """Shards that are not whole yet."""
        shards = range(self.num_shards)
        return [shard for shard in shards if not self.info(shard).exists()]

    def check_made_from(self, expected: dict[str, Any]) -> None:
        """Refuses finished shards that were made of something else.

        Args:
            expected: the entries of `made_from` to compare.

        Raises:
            InputError: naming the shard and what differs.
        """
        for shard in range(self.num_shards):
            if not self.info(shard).exists():
                continue
            found = self._read_info(shard)["made_from"]
            changed = run_directory.differences(
                run_directory.flatten({key: found[key] for key in expected}),
                run_directory.flatten(expected),
            )
            if changed:
                raise InputError(
                    f"{self.predictions(shard)} was made of something else: "
                    f"{changed}. Name another directory, or give the same "
                    "flags."
                )

    def check_complete(self) -> None:
        """Refuses to go on without the predictions of all shards.

        Raises:
            ValueError: naming the missing shards.
        """
        missing = self.missing()
        if missing:
            raise ValueError(
                f"Predictions of the shards {', '.join(map(str, missing))} of "
                f"{self.num_shards} are missing in {self.info_dir}; run "
                "mode=predict for them first."
            )

    def seconds(self) -> float:
        """Time that the prediction of all shards took."""
        return sum(
            self._read_info(shard)["seconds"]
            for shard in range(self.num_shards)
        )

    def teacher(self) -> str:
        """The one teacher of all shards.

        Raises:
            ValueError: there is more than one.
        """
        teachers = {
            self._read_info(shard)["made_from"]["teacher"]
            for shard in range(self.num_shards)
        }
        if len(teachers) > 1:
            raise ValueError(
                f"The shards in {self.output_dir} are predictions of "
                "different teachers; predict all of them with one."
            )
        return teachers.pop()

    def _read_info(self, shard: int) -> dict:
        return json.loads(self.info(shard).read_text())

    def read(self, shard: int, num_classes: int) -> np.ndarray:
        """A shard's probabilities, float32 (images, classes).

        Raises:
            InputError: the file holds another number of images than its
                count says, or another number of classes.
        """
        path = self.predictions(shard)
        probabilities = records.read_predictions(path, num_classes)
        expected = self._read_info(shard)["image_num"]
        if len(probabilities) != expected:
            raise InputError(
                f"{path} holds {len(probabilities)} predictions and "
                f"{self.info(shard)} says {expected}; delete both and "
                "predict this shard again."
            )
        return probabilities


def predict(
    model: keras.Model,
    source: sources.ImageSource,
    batches: Callable[[sources.ImageSource], tf.data.Dataset],
    files: PredictionFiles,
    shards: Iterable[int],
    made_from: dict[str, Any],
) -> None:
    """Labels shards of a source with a teacher that runs without noise.

    Args:
        model: the teacher: images to logits.
        source: the unlabelled images.
        batches: the pipeline of a source, as `pipelines.plain_images` gives
            it. Images with weight 0 get probabilities of 0.
        files: where the predictions go.
        shards: those to do.
        made_from: `images` (`TaskData.identity`) and `teacher`, to be
            remembered beside the count.
    """
    predict_all = _batch_predictor(model)
    for shard in shards:
        start = time.monotonic()
        part = source.shard(shard, files.num_shards)
        description = f"predict shard {shard + 1}/{files.num_shards}"
        remaining, undecodable = part.num_images, 0
        with (
            records.shard_writer(files.predictions(shard)) as writer,
            progress.bar(part.num_images, description, "image") as bar,
        ):
            for batch in predict_all(batches(part)):
                batch = batch[:remaining]  # the last one is padded
                for probabilities in batch:
                    writer.write(records.encode_prediction(probabilities))
                remaining -= len(batch)
                undecodable += int((batch == 0).all(axis=1).sum())
                bar.update(len(batch))
        info = {
            "image_num": part.num_images,
            "undecodable": undecodable,
            "seconds": round(time.monotonic() - start, 1),
            "made_from": made_from,
        }
        run_directory.write_json(files.info(shard), info)


def _batch_predictor(model: keras.Model):
    """A generator function: dataset -> float32 (batch, classes) each."""
    strategy = tf.distribute.get_strategy()

    def probabilities(batch: dict) -> tf.Tensor:
        logits = model(batch["image"], training=False)
        return tf.nn.softmax(logits) * batch["weight"][:, tf.newaxis]

    @tf.function
    def predict_batch(batch):
        return strategy.run(probabilities, args=(batch,))

    def predict_all(dataset: tf.data.Dataset):
        for batch in strategy.experimental_distribute_dataset(dataset):
            parts = strategy.experimental_local_results(predict_batch(batch))
            yield np.concatenate([part.numpy() for part in parts])

    return predict_all
