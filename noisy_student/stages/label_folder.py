"""`--mode=predict --image_dir`: a CSV file with the classes of any images.

`labeler.py` finds the model.
"""

import contextlib
import csv
import functools
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging
from etils import epath

from noisy_student import progress
from noisy_student.config.paths import to_path
from noisy_student.data import decoding, image_dir, plain
from noisy_student.files import remote, writing
from noisy_student.pseudo_labels.predicting import Predictor
from noisy_student.stages import labeler
from noisy_student.stages.experiment import Stage
from noisy_student.stages.predict import local_devices
from noisy_student.training import distribution

_BEST = 5  # classes listed of each image


class LabelFolder(Stage):
    """Labels the images of a folder, in the order of their paths."""

    def validate(self) -> None:
        config = self.config
        self.output = _new_file(config.predict.output)
        self.directory = to_path(str(config.data.image_dir))
        self.paths = image_dir.find(self.directory)
        devices = local_devices(config, "one process labels a folder")
        self.strategy = devices.own
        replicas = self.strategy.num_replicas_in_sync
        batch_size = config.run.eval_batch_size
        distribution.check_batch_size("eval_batch_size", batch_size, replicas)
        # A small folder needs no larger batch than itself.
        needed = math.ceil(len(self.paths) / replicas) * replicas
        self.batch_size = min(batch_size, needed)
        self.labeler = labeler.find(config, self.strategy)

    def run(self) -> None:
        with self.strategy.scope(), decoding.input_errors():
            whole = self._write_labels()
        if whole < len(self.paths):
            logging.warning(
                "%d images cannot be decoded; they have no class in %s.",
                len(self.paths) - whole,
                self.output,
            )
        print(f"{self.output}: the classes of {whole} images.")

    def _write_labels(self) -> int:
        """Writes the file, and returns how many images could be decoded."""
        names, whole = self.labeler.class_names, 0
        paths = [os.path.relpath(path, self.directory) for path in self.paths]
        with (
            _csv_writer(self.output) as writer,
            progress.bar(len(paths), "label", "image") as bar,
        ):
            writer.writerow(_header(len(names)))
            for probabilities in self._predictions():
                rows = _cells(probabilities, names)
                for path, row in zip(paths[bar.n :], rows, strict=False):
                    writer.writerow([path, *row])
                whole += int(probabilities.any(axis=1).sum())
                bar.update(len(rows))
        return whole

    def _predictions(self) -> Iterator[np.ndarray]:
        """Yields probabilities, float32 (batch, classes); 0 where broken."""
        batches = functools.partial(
            plain.plain_images,
            image_format=self.labeler.image_format,
            warnings=decoding.SkipSilently(),
            input_config=self.config.input_pipeline,
        )
        predictor = Predictor(self.labeler.model, batches, self.batch_size)
        yield from predictor(image_dir.source(self.paths, str(self.directory)))


def _new_file(path: str | None) -> epath.Path:
    """The path that `output` names.

    Raises:
        ValueError: It names none, or one that cannot be made anew.
    """
    if path is None:
        raise ValueError("output must be set, the CSV file for the labels.")
    file = to_path(path)
    if file.exists():
        raise ValueError(
            f"output {file} exists already; remove it or name another file."
        )
    if not remote.can_be_made(file):
        raise ValueError(
            f"output: {file.parent} is no directory; make it first."
        )
    return file


@contextlib.contextmanager
def _csv_writer(path: epath.Path) -> Iterator[Any]:
    """Yields a writer of a CSV file, which appears when it is whole.

    Paths that are no UTF-8 stay as they are.
    """
    with (
        writing.replacing(path) as temporary,
        open(
            temporary,
            "w",
            encoding="utf-8",
            errors="surrogateescape",
            newline="",
        ) as file,
    ):
        yield csv.writer(file)


def _header(num_classes: int) -> list[str]:
    places = range(1, min(_BEST, num_classes) + 1)
    best = [f"{name}_{i}" for i in places for name in ("class", "probability")]
    return ["path", "class", "probability", *best]


def _cells(probabilities: np.ndarray, names: Sequence[str]) -> list[list[str]]:
    """The cells after the path, of each image of a batch.

    Args:
        probabilities: (batch, classes); 0 where an image is broken.
        names: Of the classes.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :_BEST]
    rows = []
    for row, order in zip(probabilities, best, strict=True):
        pairs = [(names[i], f"{row[i]:.6f}") for i in order]
        cells = [cell for pair in pairs[:1] + pairs for cell in pair]
        rows.append(cells if row.any() else [""] * len(cells))
    return rows
