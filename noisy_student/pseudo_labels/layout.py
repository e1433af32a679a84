"""How the unlabelled images are divided, and the files of each share.

The images are divided into shards, and each shard among workers. What one
worker has of one shard is a share, the unit of all work on pseudo labels:
each is predicted, counted and written on its own. In the names of its files
SSSSS is the shard, NNNNN the number of shards and WWWWW the worker:

* of predictions: `train-info-SSSSS-of-NNNNN-WWWWW`, one record per image in
  order, and `info-SSSSS-of-NNNNN-WWWWW.txt` (JSON), which is written last;
* of filtering: `counts/counts-SSSSS-of-NNNNN-WWWWW.json`, the records
  `data/train-SSSSS-of-NNNNN` (`data/train-W-SSSSS-of-NNNNN` where workers
  divide shards) and `tallies/tally-SSSSS-of-NNNNN-WWWWW.json`, written last;
  for all shares, `made_from.json`, `samples/` and, at the end, `stats.json`.
"""

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from noisy_student.config import PseudoLabelConfig
from noisy_student.data import records, sources
from noisy_student.errors import InputError
from noisy_student.files import shards, stamps, writing

STATS_FILE = "stats.json"
MADE_FROM_FILE = "made_from.json"
# By the first bytes of an image file.
_SUFFIXES = (
    (b"\xff\xd8", ".jpeg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
)


class Share(NamedTuple):
    """A worker's images of a shard: every n-th, see `ImageSource.shard`."""

    shard: int
    worker: int

    def __str__(self) -> str:
        return f"{self.shard}.{self.worker}" if self.worker else f"{self.shard}"


@dataclasses.dataclass(frozen=True)
class Division:
    """How the unlabelled images are divided.

    Attributes:
        num_shards: number of shards.
        total_replicas: number of workers that divide each shard.
    """

    num_shards: int = 1
    total_replicas: int = 1

    @classmethod
    def from_config(cls, config: PseudoLabelConfig) -> "Division":
        """Returns the division that the settings ask for."""
        return cls(config.num_shards, config.total_replicas)

    def shares(
        self, shards: Iterable[int] = (), worker: int | None = None
    ) -> list[Share]:
        """Returns the shares of some shards and workers.

        Args:
            shards: the shards, counted from 0; empty for all.
            worker: the worker, counted from 0; None for all.

        Raises:
            ValueError: there is no such shard or worker.
        """
        shards = list(shards) or list(range(self.num_shards))
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

    def describe(self, share: Share) -> str:
        """Names a share for people, counting from 1: "shard 3/128"."""
        name = f"shard {share.shard + 1}/{self.num_shards}"
        if self.total_replicas > 1:
            name += f", worker {share.worker + 1}/{self.total_replicas}"
        return name

    def file_name(self, prefix: str, share: Share) -> str:
        """`info-00002-of-00128-00000` for ("info", Share(2, 0))."""
        shard = shards.shard_name(prefix, share.shard, self.num_shards)
        return f"{shard}-{share.worker:05d}"


@dataclasses.dataclass(frozen=True)
class PredictionFiles:
    """The files that hold a teacher's predictions.

    Attributes:
        output_dir: directory of the predictions.
        info_dir: directory of the info files.
        division: of the unlabelled images.
    """

    output_dir: pathlib.Path
    info_dir: pathlib.Path
    division: Division = Division()

    def predictions(self, share: Share) -> pathlib.Path:
        """The file of a share's probabilities."""
        return self.output_dir / self.division.file_name("train-info", share)

    def info(self, share: Share) -> pathlib.Path:
        """The info file of a share, which says that it is complete."""
        return self.info_dir / (self.division.file_name("info", share) + ".txt")

    def missing(self, shares: Iterable[Share] | None = None) -> list[Share]:
        """Returns which of some shares (None: of all) are not complete."""
        shares = self.division.shares() if shares is None else shares
        return [share for share in shares if not self._is_complete(share)]

    def check(
        self,
        images: sources.ImageSource,
        identity: dict[str, Any],
        shares: Iterable[Share] | None = None,
    ) -> str:
        """Refuses predictions that cannot be filtered.

        Args:
            images: all unlabelled images.
            identity: `TaskData.identity`, which the predictions must have.
            shares: those that must be complete; None for all.

        Returns:
            The digest of the one teacher that predicted all shares.

        Raises:
            ValueError: shares are missing, or of different teachers.
            InputError: shares are of other images, or an info file is damaged.
        """
        missing = self.missing(shares)
        if missing:
            raise ValueError(
                f"Predictions of the shards {', '.join(map(str, missing))} of "
                f"{self.division.num_shards} are missing in {self.info_dir}; "
                "run mode=predict for them first."
            )
        self.check_made_from({"images": identity})
        teachers = set()
        for share, info in self._infos().items():
            there = self.division.images(images, share).num_images
            if info["image_num"] != there:
                raise InputError(
                    f"{self.predictions(share)} holds predictions of "
                    f"{info['image_num']} images, and there are {there} "
                    "unlabelled ones; predict again into another directory."
                )
            teachers.add(info["made_from"]["teacher"])
        if len(teachers) > 1:
            raise ValueError(
                f"The shards in {self.output_dir} are predictions of "
                "different teachers; predict all of them with one."
            )
        return teachers.pop()

    def check_made_from(self, expected: dict[str, Any]) -> None:
        """Refuses complete shares that were made from something else.

        Args:
            expected: the entries of the stamp to compare: `images`
                (`TaskData.identity`), `teacher` (its digest) or both.

        Raises:
            InputError: naming the file and what differs.
        """
        expected = self.stamp(expected)
        for share, info in self._infos().items():
            found = info["made_from"]
            stamps.check_same(
                {key: found.get(key) for key in expected},
                expected,
                f"{self.predictions(share)} was made of something else: "
                "{changes}. Name another directory, or give the same flags.",
            )

    def stamp(self, made_from: dict[str, Any]) -> dict[str, Any]:
        """Adds the division, since another's files may have the same names."""
        return made_from | {"division": dataclasses.asdict(self.division)}

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
        complete = filter(self._is_complete, self.division.shares())
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


@dataclasses.dataclass(frozen=True)
class FilterFiles:
    """The files that filtering leaves.

    Attributes:
        output_dir: directory of all but the counts.
        counts_dir: directory of the counts.
        division: of the unlabelled images.
    """

    output_dir: pathlib.Path
    counts_dir: pathlib.Path
    division: Division

    def counts(self, share: Share) -> pathlib.Path:
        """A share's predictions, counted by class and probability."""
        name = self.division.file_name("counts", share)
        return self.counts_dir / f"{name}.json"

    def data(self, share: Share) -> pathlib.Path:
        """A share's pseudo-labelled records."""
        workers = self.division.total_replicas
        prefix = "train" if workers == 1 else f"train-{share.worker}"
        name = shards.shard_name(prefix, share.shard, self.division.num_shards)
        return self.output_dir / "data" / name

    def tally(self, share: Share) -> pathlib.Path:
        """What was written of a share; written after its records."""
        name = self.division.file_name("tally", share)
        return self.output_dir / "tallies" / f"{name}.json"

    def sample(
        self, shard: int, label: int, place: int, top: float, encoded: bytes
    ) -> pathlib.Path:
        """A kept image that people can look at.

        Args:
            shard: its shard.
            label: its pseudo label.
            place: its place in the shard.
            top: the probability of the label.
            encoded: the image file, which decides the suffix.
        """
        known = (end for start, end in _SUFFIXES if encoded.startswith(start))
        name = f"image_{shard}_{place}_{top:.2f}{next(known, '')}"
        return self.output_dir / "samples" / str(label) / name
