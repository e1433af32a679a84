"""The images whose pseudo labels are most at odds with the student.

They are listed in `disputed.csv` and copied, as they were encoded, into
`disputed/`, the most disputed one first.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from etils import epath

from noisy_student.data import image_files
from noisy_student.evaluation import label_quality
from noisy_student.evaluation.label_quality import (
    StudentAnswers,
    TeacherLabels,
)
from noisy_student.files import writing
from noisy_student.pseudo_labels.kept import ShareLabels
from noisy_student.report import tables
from noisy_student.report.labels import true_name

NAME = "disputed"
_HEADER = (
    "generation",
    "image",
    "shard",
    "place",
    "file",
    "pseudo_label",
    "teacher_probability",
    "student_prediction",
    "student_probability",
    "self_confidence",
    "true_label",
)


def save(
    directory: epath.Path,
    shares: Sequence[ShareLabels],
    answers: StudentAnswers,
    number: int,
    generation: int,
    class_names: Sequence[str],
) -> None:
    """Writes the list and the images, in the place of earlier ones.

    Args:
        directory: Gets `disputed.csv` and `disputed/`.
        shares: The kept images, a part of each share.
        answers: The student's for them, of all shares in order.
        number: How many images at most.
        generation: The student's number.
        class_names: Names of the classes in order.

    Raises:
        InputError: A file cannot be written.
    """
    order = label_quality.most_disputed(answers.self_confidences, number)
    ranks = {int(place): rank for rank, place in enumerate(order)}
    rows: dict[int, tuple] = {}
    writing.remove(directory / NAME)
    for place, share, row, example in _read(shares, order):
        rank, label = ranks[place], share.given.labels[row]
        suffix = image_files.suffix(example["encoded"])
        name = f"pseudo_{label}_student_{answers.predictions[place]}{suffix}"
        file = f"{NAME}/{rank + 1:04d}_{name}"
        writing.write_bytes(directory / file, example["encoded"])
        rows[rank] = (
            generation,
            _name(example, share),
            share.share.shard,
            int(share.places[row]),
            file,
            *_labels(share.given, row, answers, place, class_names),
        )
    tables.save_csv(
        directory / f"{NAME}.csv",
        _HEADER,
        (rows[rank] for rank in range(len(order))),
    )


def _labels(
    given: TeacherLabels,
    row: int,
    answers: StudentAnswers,
    place: int,
    names: Sequence[str],
) -> tuple:
    """The last cells of a line: what teacher, student and truth say."""
    return (
        names[given.labels[row]],
        _rounded(given.confidences[row]),
        names[answers.predictions[place]],
        _rounded(answers.confidences[place]),
        _rounded(answers.self_confidences[place]),
        true_name(given.truth[row], names),
    )


def _read(
    shares: Sequence[ShareLabels], chosen: np.ndarray
) -> Iterator[tuple[int, ShareLabels, int, dict[str, Any]]]:
    """Reads some of the kept images.

    Args:
        shares: The kept images.
        chosen: Places among those of all shares.

    Yields:
        The place of an image, its share, its row there, and itself.
    """
    first = 0
    for share in shares:
        places = np.arange(first, first + len(share.places))
        mask = np.isin(places, chosen)
        first += len(places)
        if not mask.any():
            continue
        examples = share.images.subset(mask).read().as_numpy_iterator()
        for row, example in zip(np.flatnonzero(mask), examples, strict=True):
            yield int(places[row]), share, int(row), example


def _name(example: dict[str, Any], share: ShareLabels) -> str:
    """The name of an image as messages have it."""
    if "record" in example:
        return example["record"].decode(errors="replace")
    return f"image {example['index']} of {share.images.name}"


def _rounded(probability: float) -> float:
    return round(float(probability), 6)
