"""Where a teacher's probabilities are, and reading them.

The unlabelled images are divided into shards and these among workers; what
one worker has of one shard is a part. A part is the file
`train-info-SSSSS-of-NNNNN-WWWWW` in the predictions' directory, one record an
image in order, and `info-SSSSS-of-NNNNN-WWWWW.txt` (JSON with `image_num`,
`undecodable`, `seconds` and `made_from`) in the info directory. The second is
written last, so that a part that has it is whole.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from noisy_student.config import PseudoLabelConfig
from noisy_student.data import records, sources
from noisy_student.errors import InputError
from noisy_student.files import shards, stamps


class Part(NamedTuple):
    """What a worker has of a shard: every `total_replicas`-th image of it."""

    shard: int
    worker: int

    def __str__(self) -> str:
        return f"{self.shard}.{self.worker}" if self.worker else f"{self.shard}"


@dataclasses.dataclass(frozen=True)
class Division:
    """How the unlabelled images are divided.

    Attributes:
        num_shards: shards of the source.
        total_replicas: workers that share each shard.
    """

    num_shards: int = 1
    total_replicas: int = 1

    @classmethod
    def of(cls, config: PseudoLabelConfig) -> "Division":
        """The division that the settings ask for."""
        return cls(config.num_shards, config.total_replicas)

    def parts(
        self, shards: Iterable[int] = (), worker: int | None = None
    ) -> list[Part]:
        """The parts of some shards and of one worker; of all by default.

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
        return [Part(shard, w) for shard in shards for w in workers]

    def images(
        self, source: sources.ImageSource, part: Part
    ) -> sources.ImageSource:
        """The images of a part."""
        shard = source.shard(part.shard, self.num_shards)
        if self.total_replicas == 1:
            return shard
        return shard.shard(part.worker, self.total_replicas)

    def describe(self, part: Part) -> str:
        """A part for people, counted from 1: "shard 3/128"."""
        shard = f"shard {part.shard + 1}/{self.num_shards}"
        if self.total_replicas == 1:
            return shard
        return f"{shard}, worker {part.worker + 1}/{self.total_replicas}"

    def file_name(self, prefix: str, part: Part) -> str:
        """`info-00002-of-00128-00000` for ("info", Part(2, 0))."""
        shard = shards.shard_name(prefix, part.shard, self.num_shards)
        return f"{shard}-{part.worker:05d}"

    def records_name(self, part: Part) -> str:
        """`train-00002-of-00128`, of pseudo-labelled records.

        Where workers share a shard `train-0-00002-of-00128`, the original's.
        """
        prefix = "train"
        if self.total_replicas > 1:
            prefix = f"{prefix}-{part.worker}"
        return shards.shard_name(prefix, part.shard, self.num_shards)


@dataclasses.dataclass(frozen=True)
class PredictionFiles:
    """Where the predictions of a source are.

    Attributes:
        output_dir: directory of the predictions.
        info_dir: directory of the counts.
        division: of the source.
    """

    output_dir: pathlib.Path
    info_dir: pathlib.Path
    division: Division = Division()

    def predictions(self, part: Part) -> pathlib.Path:
        """The file of a part's probabilities."""
        return self.output_dir / self.division.file_name("train-info", part)

    def info(self, part: Part) -> pathlib.Path:
        """The file of a part's count, which says that it is whole."""
        return self.info_dir / (self.division.file_name("info", part) + ".txt")

    def is_whole(self, part: Part) -> bool:
        """Whether a part was predicted to its end."""
        return self.info(part).exists() and self.predictions(part).exists()

    def missing(self) -> list[Part]:
        """Parts that are not whole yet."""
        return [p for p in self.division.parts() if not self.is_whole(p)]

    def made_from(self, made_from: dict[str, Any]) -> dict[str, Any]:
        """What a part's info remembers: the division too.

        Files of other divisions may have the same names.
        """
        return made_from | {"division": dataclasses.asdict(self.division)}

    def check_made_from(self, expected: dict[str, Any]) -> None:
        """Refuses finished parts that were made of something else.

        Args:
            expected: the entries of `made_from` to compare.

        Raises:
            InputError: naming the part and what differs.
        """
        expected = self.made_from(expected)
        for part, info in self._infos():
            found = info["made_from"]
            stamps.check_same(
                {key: found.get(key) for key in expected},
                expected,
                f"{self.predictions(part)} was made of something else: "
                "{changes}. Name another directory, or give the same flags.",
            )

    def check_complete(self, parts: Iterable[Part] | None = None) -> None:
        """Refuses to go on without the predictions of some parts.

        Args:
            parts: None is all.

        Raises:
            ValueError: naming the missing shards.
        """
        wanted = self.division.parts() if parts is None else parts
        missing = [part for part in wanted if not self.is_whole(part)]
        if missing:
            raise ValueError(
                f"Predictions of the shards {', '.join(map(str, missing))} of "
                f"{self.division.num_shards} are missing in {self.info_dir}; "
                "run mode=predict for them first."
            )

    def check_numbers(self, source: sources.ImageSource) -> None:
        """Refuses predictions of another number of images.

        Args:
            source: whose images the predictions should be of.

        Raises:
            InputError: naming the part, and how many there are of both.
        """
        for part, info in self._infos():
            there = self.division.images(source, part).num_images
            if info["image_num"] != there:
                raise InputError(
                    f"{self.predictions(part)} holds predictions of "
                    f"{info['image_num']} images, and there are {there} "
                    "unlabelled ones; predict again into another directory."
                )

    def seconds(self) -> float:
        """Time that the prediction of all finished parts took."""
        return sum(info["seconds"] for _, info in self._infos())

    def teacher(self) -> str:
        """The one teacher of all parts.

        Raises:
            ValueError: there is more than one.
        """
        teachers = {info["made_from"]["teacher"] for _, info in self._infos()}
        if len(teachers) > 1:
            raise ValueError(
                f"The shards in {self.output_dir} are predictions of "
                "different teachers; predict all of them with one."
            )
        return teachers.pop()

    def _infos(self) -> Iterator[tuple[Part, dict]]:
        for part in self.division.parts():
            if self.is_whole(part):
                yield part, self._info(part)

    def _info(self, part: Part) -> dict:
        path = self.info(part)
        try:
            info = json.loads(path.read_text())
            return {key: info[key] for key in ("image_num", "seconds")} | {
                "made_from": dict(info["made_from"])
            }
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is not what mode=predict writes ({error!r}); delete "
                "it and predict this shard again."
            ) from error

    def read(self, part: Part, num_classes: int) -> Iterator[np.ndarray]:
        """A part's probabilities in order, some rows at a time.

        Yields:
            float32 (`records.BATCH` or, at last, fewer, classes).

        Raises:
            InputError: the file holds another number of images than its
                count says, or of classes, or is damaged.
        """
        path, found = self.predictions(part), 0
        for probabilities in records.read_predictions(path, num_classes):
            found += len(probabilities)
            yield probabilities
        expected = self._info(part)["image_num"]
        if found != expected:
            raise InputError(
                f"{path} holds {found} predictions and {self.info(part)} says "
                f"{expected}; delete both and predict this shard again."
            )
