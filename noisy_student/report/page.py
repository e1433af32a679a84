"""`report.html`: what a run left, on one page that needs no other file."""

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etils import epath

from noisy_student.config.paths import absolute
from noisy_student.files import writing
from noisy_student.report import (
    drawings,
    pictures,
    robustness,
    settings,
    svg,
    tables,
    versions,
)
from noisy_student.report.labels import Example, Labels, true_name
from noisy_student.report.run import Run, model_name, name_of
from noisy_student.report.verdict import Scores, verdict

REPORT_FILE = "report.html"
_TEMPLATE = "report.html.jinja"
# So that the page stays within 5 MB, and readable.
_MOST_CLASSES = 20
_MOST_DISPUTED = 24
_MOST_CONFUSED = 20


def write(run: Run, labels: Sequence[Labels]) -> epath.Path:
    """Writes `report.html` into the run directory.

    Args:
        run: what it left.
        labels: the pseudo labels of its students, the newest last.

    Raises:
        InputError: the file cannot be written.
    """
    path = run.directory / REPORT_FILE
    writing.write_text(path, render(run, labels))
    return path


def write_chart(run: Run, path: epath.Path) -> None:
    """Writes the accuracy by generation as an SVG file.

    Raises:
        InputError: the file cannot be written.
    """
    writing.write_text(path, drawings.accuracy_file(Scores.of(run)))


def render(run: Run, labels: Sequence[Labels]) -> str:
    """The page as text."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("noisy_student.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": tables.percent,
        "points": lambda share: f"{100 * share:+.2f}".replace("-", "−"),
        "flag": lambda value: settings.text(value) or "–",
    }
    return environment.get_template(_TEMPLATE).render(_contents(run, labels))


def _contents(run: Run, labels: Sequence[Labels]) -> dict[str, Any]:
    """What the template fills in."""
    scores = Scores.of(run)
    names = _class_names(run, labels)
    flags = settings.flags_of(run.config)
    now = datetime.datetime.now(datetime.UTC)
    return {
        "run": run,
        "title": os.path.basename(str(absolute(str(run.directory)))),
        "verdict": verdict(run, scores),
        "scores": scores,
        "colors": svg.colors_css(":root"),
        "accuracy_chart": drawings.accuracy(scores),
        "training_charts": drawings.training(run.trainings),
        "labels": [_of_labels(each, names) for each in labels],
        "examples": _of_examples(labels[-1], names) if labels else None,
        "calibration_charts": drawings.calibration(run),
        "confusions": list(_confusions(run)),
        "disputed": list(_disputed(run)),
        "robustness_charts": drawings.disturbed(run),
        "robustness_rows": _robustness_rows(run),
        "commands": _commands(run, scores),
        "changed": [flag for flag in flags if flag.differs],
        "flags": flags,
        "times": list(_times(run, labels)),
        "versions": versions.versions(),
        "made": now.strftime("%Y-%m-%d %H:%M UTC"),
    }


def _commands(run: Run, scores: Scores) -> Mapping[str, str]:
    """The commands that measure more of what is finished, by their names."""
    commands = settings.commands(run.config)
    if len(run.generations) < 2:
        del commands["audit"]
    return commands if scores.of_models else {}


def _class_names(run: Run, labels: Sequence[Labels]) -> Sequence[str]:
    if run.class_names is not None:
        return run.class_names
    number = len(labels[-1].predicted) if labels else 0
    return [*map(str, range(number))]


def _of_labels(labels: Labels, names: Sequence[str]) -> dict[str, Any]:
    """Charts and a table of a student's pseudo labels."""
    counts = zip(*(c.tolist() for c in labels.columns.values()), strict=True)
    thresholds = (f"{value:.2f}" for value in labels.thresholds)
    return {
        "student": name_of(labels.generation),
        "found": labels,
        "charts": drawings.labels(labels, names),
        "header": ["class", *labels.columns, "threshold"],
        "rows": [
            (name, *row, threshold)
            for name, row, threshold in zip(
                names, counts, thresholds, strict=True
            )
        ],
    }


def _of_examples(labels: Labels, names: Sequence[str]) -> dict[str, Any]:
    """The images of each class, kept ones and rejected ones."""
    shown = sorted({example.label for example in labels.examples})
    return {
        "student": name_of(labels.generation),
        "missing": labels.missing,
        "left_out": max(len(shown) - _MOST_CLASSES, 0),
        "classes": [
            {
                "name": names[label],
                "kept": list(_shown(labels.examples, label, True, names)),
                "rejected": list(_shown(labels.examples, label, False, names)),
            }
            for label in shown[:_MOST_CLASSES]
        ],
    }


def _shown(
    examples: Sequence[Example],
    label: int,
    is_kept: bool,
    names: Sequence[str],
) -> Iterator[dict[str, Any]]:
    for example in examples:
        if (example.label, example.is_kept) != (label, is_kept):
            continue
        source = pictures.data_uri(example.encoded)
        if source is None:
            continue
        is_right = example.truth == label
        yield {
            "source": source,
            "label": names[label],
            "probability": example.probability,
            "truth": "" if is_right else true_name(example.truth, names),
        }


def _confusions(run: Run) -> Iterator[dict[str, Any]]:
    """The confusion matrices of the first and of the last model."""
    models = list(run.confusions)
    for model in dict.fromkeys(models[:1] + models[-1:]):
        for split, (names, counts) in run.confusions[model].items():
            title = f"{model_name(model)}, {split} images"
            yield {
                "title": title[0].upper() + title[1:],
                "names": names,
                "counts": counts if len(counts) <= _MOST_CLASSES else None,
                "most": _most_confused(names, counts),
            }


def _most_confused(
    names: Sequence[str], counts: Sequence[Sequence[int]]
) -> list[tuple[str, str, int]]:
    """The most frequent mistakes: true class, prediction, images."""
    mistakes = [
        (names[true], names[predicted], number)
        for true, row in enumerate(counts)
        for predicted, number in enumerate(row)
        if number and true != predicted
    ]
    mistakes.sort(key=lambda mistake: -mistake[2])
    return mistakes[:_MOST_CONFUSED]


def _disputed(run: Run) -> Iterator[Mapping[str, str]]:
    """The most doubtful images of the audit, with thumbnails."""
    if run.audit is None:
        return
    for row in run.audit.disputed[:_MOST_DISPUTED]:
        path = run.audit.directory / row["file"]
        source = pictures.data_uri(path.read_bytes()) if path.exists() else None
        if source is not None:
            yield {**row, "source": source}


def _robustness_rows(run: Run) -> list[tuple[str, ...]]:
    rows = robustness.score_rows(run.robustness)
    suite, score, *models = rows[0]
    return [(suite, score, *map(model_name, models)), *rows[1:]]


def _times(run: Run, labels: Sequence[Labels]) -> Iterator[tuple[str, float]]:
    """Seconds of each stage, in the order of the run, and of all."""
    labelling = {name_of(each.generation): each.seconds for each in labels}
    total = 0.0
    for training in run.trainings:
        if training.name in labelling:
            total += labelling[training.name]
            yield f"labels for {training.name}", labelling[training.name]
        if training.evaluations:
            seconds = training.evaluations[-1]["seconds"]
            total += seconds
            yield f"training: {training.name}", seconds
    yield "all", total
