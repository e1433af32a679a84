"""What an evaluation leaves: tables as CSV, `evaluation.json`, a comparison.

Beside `evaluation.json` there is a directory for each split, `test` and
`validation`; where several generations were evaluated, one for each of them
with those inside.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from etils import epath

from noisy_student.evaluation import Answers, intervals, scores
from noisy_student.files import writing
from noisy_student.report import tables

EVALUATION_FILE = "evaluation.json"
# From the name of a model to its answers by split.
AnswersBySplit = Mapping[str, Mapping[str, Answers]]


def save_evaluation(
    directory: epath.Path,
    answers: AnswersBySplit,
    class_names: Sequence[str] | None,
    num_classes: int,
) -> None:
    """Writes all tables of an evaluation, in the place of earlier ones.

    In `evaluation.json` each model but the first has `top_1_gain`, how much
    larger its share of correct answers is than the first one's, and
    `top_1_gain_95`, the paired interval of that.

    Args:
        directory: Gets the files.
        answers: Of each model on each split.
        class_names: The names of the classes; None takes numbers from 0 on.
        num_classes: Their number.
    """
    names = list(class_names or map(str, range(num_classes)))
    first = next(iter(answers))
    summary: dict[str, dict] = {}
    for model, by_split in answers.items():
        own = directory / model if len(answers) > 1 else directory
        for split, found in by_split.items():
            _save_tables(own / split, found, names)
        summary[model] = {
            split: _summary(found) for split, found in by_split.items()
        }
        if model != first:
            for split, found in by_split.items():
                gain = _gain(found, answers[first][split])
                summary[model][split] |= {
                    "top_1_gain": gain.mean,
                    "top_1_gain_95": [gain.low, gain.high],
                }
    writing.write_json(directory / EVALUATION_FILE, summary)


def format_generations(answers: AnswersBySplit) -> str:
    """A table of all generations, each against the first teacher.

    Differences are paired image by image; intervals hold 95 % of the
    bootstrap over images.
    """
    header = ("model", "split", "top-1", "95 %", "above the teacher", "95 %")
    rows = [(*header, "loss", "calibration error")]
    teacher = next(iter(answers.values()))
    for model, by_split in answers.items():
        for split, found in by_split.items():
            summary = scores.summary(found)
            own = intervals.bootstrap(found.correct)
            gain = _gain(found, teacher[split])
            rows.append(
                (
                    model,
                    split,
                    tables.percent(own.mean),
                    f"{100 * own.low:.2f} to {100 * own.high:.2f}",
                    f"{100 * gain.mean:+.2f}",
                    f"{100 * gain.low:+.2f} to {100 * gain.high:+.2f}",
                    f"{summary['loss']:.4f}",
                    f"{summary['expected_calibration_error']:.4f}",
                )
            )
    return tables.aligned(rows)


def _gain(answers: Answers, teacher: Answers) -> intervals.Interval:
    """How much larger the share of correct answers is, in [-1, 1]."""
    difference = answers.correct.astype(int) - teacher.correct.astype(int)
    return intervals.bootstrap(difference)


def _summary(answers: Answers) -> dict:
    interval = intervals.bootstrap(answers.correct)
    return {
        **scores.summary(answers),
        "num_images": len(answers.labels),
        "top_1_accuracy_95": [interval.low, interval.high],
        "reliability": [row._asdict() for row in scores.reliability(answers)],
    }


def _save_tables(
    directory: epath.Path, answers: Answers, names: Sequence[str]
) -> None:
    """Writes `confusion.csv`, `per_class.csv` and `reliability.csv`."""
    confusion = scores.confusion(answers, len(names))
    rows = zip(names, confusion.tolist(), strict=True)
    tables.save_csv(
        directory / "confusion.csv",
        ["true / predicted", *names],
        ([name, *counts] for name, counts in rows),
    )
    of_classes = scores.class_scores(confusion)
    columns = (names, *map(np.ndarray.tolist, of_classes))
    tables.save_csv(
        directory / "per_class.csv",
        ["class", *of_classes._fields],
        zip(*columns, strict=True),
    )
    tables.save_csv(
        directory / "reliability.csv",
        list(scores.Bin._fields),
        scores.reliability(answers),
    )
