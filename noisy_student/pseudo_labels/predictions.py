"""The teacher's predictions on disk: who makes which, their files, reading.

The unlabelled images are divided into shards, and each shard among workers.
What one worker has of one shard is a share, the unit of all work on pseudo
labels: each is predicted, counted and written on its own. A share's files are
`train-info-SSSSS-of-NNNNN-WWWWW`, one record per image in order, and
`info-SSSSS-of-NNNNN-WWWWW.txt` (JSON), which is written last; SSSSS is the
shard, NNNNN the number of shards and WWWWW the worker. The original program's
have the same names and keys, but their info files do not say what they were
made from.
"""

import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from noisy_student.data import records, sources
from noisy_student.errors import InputError
from noisy_student.files import remote, shards, stamps, writing

_OF_SHARDS = re.compile(r"info-\d{5}-of-(\d{5})")


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
        num_used: number of the first shards, which alone are used; None for
            all.
    """

    output_dir: epath.Path
    info_dir: epath.Path
    num_shards: int = 1
    total_replicas: int = 1
    num_used: int | None = None

    def shares(
        self, shards: Collection[int] = (), workers: Collection[int] = ()
    ) -> list[Share]:
        """Returns the shares of some shards and workers.

        Args:
            shards: the shards, counted from 0; empty for all that are used.
            workers: the workers, counted from 0; empty for all.

        Raises:
            ValueError: there is no such shard or worker.
        """
        used = self.num_used or self.num_shards
        shards = shards or range(used)
        unknown = sorted(set(shards) - set(range(used)))
        if unknown:
            limit = "only_use_num_shards" if self.num_used else "num_shards"
            raise ValueError(
                f"shard_id must be below {limit}={used}; got "
                f"{', '.join(map(str, unknown))}."
            )
        all_workers = range(self.total_replicas)
        unknown = sorted(set(workers) - set(all_workers))
        if unknown:
            raise ValueError(
                "worker_id and task must be from 0 to below total_replicas="
                f"{self.total_replicas}; got {', '.join(map(str, unknown))}."
            )
        return [Share(s, w) for s in shards for w in workers or all_workers]

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

    def predictions(self, share: Share) -> epath.Path:
        """The file of a share's probabilities."""
        return self.output_dir / self.file_name("train-info", share)

    def info(self, share: Share) -> epath.Path:
        """The info file of a share, which says that it is complete."""
        return self.info_dir / self.file_name("info", share, ".txt")

    def missing(self, shares: Iterable[Share] | None = None) -> list[Share]:
        """Returns which of some shares (None: of all) are not complete."""
        shares = self.shares() if shares is None else shares
        return [share for share in shares if not self._is_complete(share)]

    def require(self, shares: Iterable[Share] | None = None) -> None:
        """Refuses shares (None: all) that are not complete.

        Raises:
            ValueError: naming them.
        """
        missing = self.missing(shares)
        if not missing:
            return
        path = self.predictions(missing[0])
        if path.exists():
            path = self.info(missing[0])
        others = _numbers_of_shards(path.parent) - {self.num_shards}
        hint = f", but files of num_shards={min(others)}" if others else ""
        raise ValueError(
            f"Predictions of the shards {', '.join(map(str, missing))} of "
            f"{self.num_shards} are missing in {path.parent}: there is no "
            f"{path.name}{hint}; run mode=predict for them first."
        )

    def num_classes(self, shares: Iterable[Share]) -> int | None:
        """Returns the size of complete shares' probabilities, by the first.

        Returns:
            None where there are no predictions.
        """
        for share in shares:
            found = records.first_probabilities(self.predictions(share))
            if found is not None:
                return len(found)
        return None

    def check(
        self, data: sources.TaskData, shares: Iterable[Share] | None = None
    ) -> str | None:
        """Refuses predictions that cannot be filtered.

        Args:
            data: the images; the predictions must be of the unlabelled ones.
            shares: those that must be complete; None for all.

        Returns:
            The digest of the one teacher that predicted all shares; None
            where the original program did.

        Raises:
            ValueError: shares are missing, or of different teachers.
            InputError: shares are of other images, or an info file is damaged.
        """
        unlabeled = data.require_unlabeled()
        self.require(shares)
        infos = self.check_made_from({"images": data.identity})
        for share, info in infos.items():
            there = self.images(unlabeled, share).num_images
            if info["image_num"] != there:
                raise InputError(
                    f"{self.predictions(share)} holds predictions of "
                    f"{info['image_num']} images, and there are {there} "
                    "unlabelled ones; predict again into another directory."
                )
        teachers = {info["made_from"].get("teacher") for info in infos.values()}
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
            if found:
                stamps.check_same(
                    {key: found.get(key) for key in expected},
                    expected,
                    f"{self.predictions(share)} was made of something else: "
                    "{changes}. Name another directory, or give the same "
                    "flags.",
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
        """Reads what is known of a share; the original's files say less."""
        path = self.info(share)
        try:
            info = writing.read_json(path)
            return {
                "image_num": int(info["image_num"]),
                "seconds": float(info.get("seconds", 0)),
                "made_from": dict(info.get("made_from", {})),
            }
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is not what mode=predict writes ({error!r}); delete "
                "it and predict this shard again."
            ) from error


def _numbers_of_shards(directory: epath.Path) -> set[int]:
    """The numbers of shards that names of files say."""
    paths = remote.glob(directory, "*info*")
    found = (_OF_SHARDS.search(path.name) for path in paths)
    return {int(match[1]) for match in found if match}
