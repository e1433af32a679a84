"""The teacher's predictions on disk: who makes which, their files, reading.

The unlabelled images are divided into shards, and each shard among workers.
What one worker has of one shard is a share, the unit of all work on pseudo
labels: each is predicted, counted and written on its own. A share's files are
`train-info-SSSSS-of-NNNNN-WWWWW`, one record per image in order, and
`info-SSSSS-of-NNNNN-WWWWW.txt` (JSON), which is written last; SSSSS is the
shard, NNNNN the number of shards and WWWWW the worker.
"""

import dataclasses
import pathlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from noisy_student import progress
from noisy_student.data import decoding, records, sources
from noisy_student.errors import InputError
from noisy_student.files import shards, stamps, writing


class Share(NamedTuple):
    """A worker's images of a shard: every n-th, see `ImageSource.shard`."""

    shard: int
    worker: int

    def __str__(self) -> str:
        return f"{self.shard}.{self.worker}" if self.worker else f"{self.shard}"


@dataclasses.dataclass(frozen=True)
class PredictionFiles:
    """A teacher's predictions, and how the images are divided for them.

    Attributes:
        output_dir: directory of the predictions.
        info_dir: directory of the info files.
        num_shards: number of shards.
        total_replicas: number of workers that divide each shard.
    """

    output_dir: pathlib.Path
    info_dir: pathlib.Path
    num_shards: int = 1
    total_replicas: int = 1

    def shares(
        self, shards: Collection[int] = (), worker: int | None = None
    ) -> list[Share]:
        """Returns the shares of some shards and workers.

        Args:
            shards: the shards, counted from 0; empty for all.
            worker: the worker, counted from 0; None for all.

        Raises:
            ValueError: there is no such shard or worker.
        """
        shards = shards or range(self.num_shards)
        unknown = sorted(set(shards) - set(range(self.num_shards)))
        if unknown:
            raise ValueError(
                f"shard_id must be below num_shards={self.num_shards}; got "
                f"{', '.join(map(str, unknown))}."
            )
        if worker is not None and not 0 <= worker < self.total_replicas:
            raise ValueError(
                "worker_id and task must be from 0 to below total_replicas="
                f"{self.total_replicas}; got {worker}."
            )
        workers = range(self.total_replicas) if worker is None else [worker]
        return [Share(shard, w) for shard in shards for w in workers]

    def images(
        self, source: sources.ImageSource, share: Share
    ) -> sources.ImageSource:
        """Returns the images of a share; `source` is all unlabelled ones."""
        shard = source.shard(share.shard, self.num_shards)
        return shard.shard(share.worker, self.total_replicas)

    def file_name(self, prefix: str, share: Share, suffix: str = "") -> str:
        """`info-00002-of-00128-00000.txt` for ("info", Share(2, 0), ".txt")."""
        shard = shards.shard_name(prefix, share.shard, self.num_shards)
        return f"{shard}-{share.worker:05d}{suffix}"

    def predictions(self, share: Share) -> pathlib.Path:
        """The file of a share's probabilities."""
        return self.output_dir / self.file_name("train-info", share)

    def info(self, share: Share) -> pathlib.Path:
        """The info file of a share, which says that it is complete."""
        return self.info_dir / self.file_name("info", share, ".txt")

    def missing(self, shares: Iterable[Share] | None = None) -> list[Share]:
        """Returns which of some shares (None: of all) are not complete."""
        shares = self.shares() if shares is None else shares
        return [share for share in shares if not self._is_complete(share)]

    def check(
        self, data: sources.TaskData, shares: Iterable[Share] | None = None
    ) -> str:
        """Refuses predictions that cannot be filtered.

        Args:
            data: the images; the predictions must be of the unlabelled ones.
            shares: those that must be complete; None for all.

        Returns:
            The digest of the one teacher that predicted all shares.

        Raises:
            ValueError: shares are missing, or of different teachers.
            InputError: shares are of other images, or an info file is damaged.
        """
        unlabeled = data.require_unlabeled()
        missing = self.missing(shares)
        if missing:
            raise ValueError(
                f"Predictions of the shards {', '.join(map(str, missing))} of "
                f"{self.num_shards} are missing in {self.info_dir}; run "
                "mode=predict for them first."
            )
        infos = self.check_made_from({"images": data.identity})
        for share, info in infos.items():
            there = self.images(unlabeled, share).num_images
            if info["image_num"] != there:
                raise InputError(
                    f"{self.predictions(share)} holds predictions of "
                    f"{info['image_num']} images, and there are {there} "
                    "unlabelled ones; predict again into another directory."
                )
        teachers = {info["made_from"]["teacher"] for info in infos.values()}
        if len(teachers) > 1:
            raise ValueError(
                f"The shards in {self.output_dir} are predictions of "
                "different teachers; predict all of them with one."
            )
        return teachers.pop()

    def check_made_from(self, expected: dict[str, Any]) -> dict[Share, dict]:
        """Refuses complete shares that were made from something else.

        Args:
            expected: the entries of the stamp to compare: `images`
                (`TaskData.identity`), `teacher` (its digest) or both.

        Returns:
            What the info files of these shares hold.

        Raises:
            InputError: naming the file and what differs.
        """
        expected, infos = self.stamp(expected), self._infos()
        for share, info in infos.items():
            found = info["made_from"]
            stamps.check_same(
                {key: found.get(key) for key in expected},
                expected,
                f"{self.predictions(share)} was made of something else: "
                "{changes}. Name another directory, or give the same flags.",
            )
        return infos

    def stamp(self, made_from: dict[str, Any]) -> dict[str, Any]:
        """Adds the division, since another's files may have the same names."""
        names = ("num_shards", "total_replicas")
        division = {name: getattr(self, name) for name in names}
        return made_from | {"division": division}

    def seconds(self) -> float:
        """Returns the seconds that predicting the complete shares took."""
        return sum(info["seconds"] for info in self._infos().values())

    def read(self, share: Share, num_classes: int) -> Iterator[np.ndarray]:
        """Reads a share's probabilities in order, some rows at a time.

        Yields:
            float32 (`records.BATCH` or, at the end, fewer, num_classes).

        Raises:
            InputError: the file is damaged, of another number of classes, or
                holds another number of images than its info file says.
        """
        path, found = self.predictions(share), 0
        for probabilities in records.read_predictions(path, num_classes):
            found += len(probabilities)
            yield probabilities
        expected = self._read_info(share)["image_num"]
        if found != expected:
            raise InputError(
                f"{path} holds {found} predictions and {self.info(share)} says "
                f"{expected}; delete both and predict this shard again."
            )

    def _is_complete(self, share: Share) -> bool:
        return self.info(share).exists() and self.predictions(share).exists()

    def _infos(self) -> dict[Share, dict]:
        complete = filter(self._is_complete, self.shares())
        return {share: self._read_info(share) for share in complete}

    def _read_info(self, share: Share) -> dict:
        path = self.info(share)
        try:
            info = writing.read_json(path)
            return {key: info[key] for key in ("image_num", "seconds")} | {
                "made_from": dict(info["made_from"])
            }
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is not what mode=predict writes ({error!r}); delete "
                "it and predict this shard again."
            ) from error


def predict(
    model: keras.Model,
    source: sources.ImageSource,
    batches: Callable[[sources.ImageSource], tf.data.Dataset],
    files: PredictionFiles,
    shares: Iterable[Share],
    made_from: dict[str, Any],
) -> None:
    """Writes the probabilities of a teacher that runs without noise.

    Args:
        model: the teacher, from images, float (batch, height, width, 3), to
            logits, float (batch, classes).
        source: all unlabelled images.
        batches: makes batches of a source, as `pipelines.plain_images` does.
            Images with weight 0, which could not be decoded, get
            probabilities of 0.
        files: where the predictions go.
        shares: those to predict.
        made_from: `images` (`TaskData.identity`) and `teacher` (its digest),
            which the info files keep.

    Raises:
        InputError: images are damaged, or the disk has no room.
    """
    strategy = tf.distribute.get_strategy()
    predict_batch = _batch_predictor(model, strategy)
    for share in shares:
        start = time.monotonic()
        images = files.images(source, share)
        remaining, undecodable = images.num_images, 0
        with (
            decoding.input_errors(images.record_paths),
            shards.shard_writer(files.predictions(share)) as writer,
            progress.bar(remaining, _description(files, share), "image") as bar,
        ):
            dataset = batches(images)
            for batch in strategy.experimental_distribute_dataset(dataset):
                # The last batch is padded.
                rows = predict_batch(batch)[:remaining]
                for probabilities in rows:
                    writer.write(records.encode_prediction(probabilities))
                remaining -= len(rows)
                undecodable += int((rows == 0).all(axis=1).sum())
                bar.update(len(rows))
        info = {
            "image_num": images.num_images,
            "undecodable": undecodable,
            "seconds": round(time.monotonic() - start, 1),
            "made_from": files.stamp(made_from),
        }
        writing.write_json(files.info(share), info)


def _batch_predictor(
    model: keras.Model, strategy: tf.distribute.Strategy
) -> Callable[[Any], np.ndarray]:
    """Returns a function from a batch to float32 (batch, classes)."""

    def probabilities(batch: dict) -> tf.Tensor:
        logits = model(batch["image"], training=False)
        return tf.nn.softmax(logits) * batch["weight"][:, tf.newaxis]

    @tf.function
    def on_replicas(batch):
        return strategy.run(probabilities, args=(batch,))

    return lambda batch: np.concatenate(
        strategy.experimental_local_results(on_replicas(batch))
    )


def _description(files: PredictionFiles, share: Share) -> str:
    """What the progress bar says, counting from 1: "predict shard 3/128"."""
    name = f"predict shard {share.shard + 1}/{files.num_shards}"
    if files.total_replicas > 1:
        name += f", worker {share.worker + 1}/{files.total_replicas}"
    return name
