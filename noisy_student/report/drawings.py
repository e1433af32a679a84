"""Which charts a run has, each with a caption, as SVG for the page."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from noisy_student.report import charts, svg
from noisy_student.report.curves import Curve
from noisy_student.report.labels import Labels
from noisy_student.report.run import Run, Training, model_name, name_of
from noisy_student.report.verdict import Score, Scores, one_decimal

if TYPE_CHECKING:
    from matplotlib import figure

# Scalars of TensorBoard that are losses, and what people call some of them.
_LOSS = "/loss"
_LOSSES = {
    "train/loss": "all together",
    "lab/loss": "labelled",
    "ext/loss": "unlabelled",
    "cons/loss": "consistency",
}
_RATE = "train/lr"
_TEST = "test"


class Drawing(NamedTuple):
    """A chart on the page.

    Attributes:
        caption: plain text.
        svg: the element, which is safe to insert.
    """

    caption: str
    svg: str


def accuracy(scores: Scores) -> list[Drawing]:
    """Generation by generation; nothing for one model."""
    if len(scores.of_models) < 2:
        return []
    about = "Top-1 accuracy on the test images by generation"
    if scores.num_images:
        about += ", with 95 % intervals"
    return [_drawing(charts.accuracy(scores.of_models), about, scores)]


def accuracy_file(scores: Scores) -> str:
    """The same as an SVG file of its own."""
    return svg.standalone(
        charts.accuracy(scores.of_models), _in_words(scores.of_models)
    )


def training(trainings: Sequence[Training]) -> list[Drawing]:
    """Losses of each training, learning rates and accuracies of all."""
    drawn = [
        _drawing(
            charts.lines(losses, "step", "loss", logarithmic=True),
            f"Losses: {each.name}",
        )
        for each in trainings
        if (losses := _losses(each))
    ]
    rates = {t.name: t.curves[_RATE] for t in trainings if _RATE in t.curves}
    if rates:
        picture = charts.lines(rates, "step", "learning rate")
        drawn.append(_drawing(picture, "Learning rate"))
    for split, lines in (
        ("Validation", [each.validations for each in trainings]),
        ("Test", [each.evaluations for each in trainings]),
    ):
        names = [each.name for each in trainings]
        evaluated = {
            name: _over_steps(found)
            for name, found in zip(names, lines, strict=True)
            if len(found) > 1
        }
        if evaluated:
            picture = charts.lines(evaluated, "step", "top-1 accuracy, %")
            title = f"{split} accuracy during training"
            drawn.append(_drawing(picture, title))
    return drawn


def labels(found: Labels, names: Sequence[str]) -> list[Drawing]:
    """How sure the teacher was, and what was kept of each class."""
    drawn = []
    of = name_of(found.generation)
    if found.histogram is not None:
        drawn.append(
            _drawing(
                charts.confidences(found),
                f"Confidence of the pseudo labels of {of}, and the threshold",
            )
        )
    drawn.append(
        _drawing(
            charts.classes(found, names),
            f"Images of each class for {of}, before and after balancing",
        )
    )
    return drawn


def calibration(run: Run) -> list[Drawing]:
    """Confidence against accuracy, where either was measured."""
    drawn = []
    bins = {
        model_name(model): by_split[_TEST]["reliability"]
        for model, by_split in run.evaluation.items()
        if _TEST in by_split
    }
    if bins:
        drawn.append(
            _drawing(charts.reliability(bins), "Calibration on test images")
        )
    if run.audit is not None and run.audit.calibration:
        teacher = name_of(run.audit.summary["teacher"])
        picture = charts.reliability({teacher: run.audit.calibration})
        caption = f"Calibration of the {teacher} on validation images"
        drawn.append(_drawing(picture, caption))
    return drawn


def disturbed(run: Run) -> list[Drawing]:
    """Errors on corrupted images, and accuracies under attack."""
    drawn = []
    corrupted = {
        model_name(model): Curve(
            np.array(found["corruptions"]["severities"]),
            100 * np.mean([*found["corruptions"]["errors"].values()], axis=0),
        )
        for model, found in run.suites.items()
        if found.get("corruptions", {}).get("errors")
    }
    if corrupted:
        picture = charts.lines(corrupted, "severity", "top-1 error, %")
        caption = "Error on corrupted images, mean over all corruptions"
        drawn.append(_drawing(picture, caption))
    for attack, curves in _attacks(run).items():
        picture = charts.lines(
            curves, "epsilon, 1/255 of the range", "top-1 accuracy, %"
        )
        caption = f"Accuracy under attack by {attack.upper()}"
        drawn.append(_drawing(picture, caption))
    return drawn


def _attacks(run: Run) -> dict[str, dict[str, Curve]]:
    """By attack and model the accuracies over epsilon."""
    by_attack: dict[str, dict[str, Curve]] = {}
    for model, found in run.suites.items():
        attacked: Mapping[str, Any] = found.get("adversarial", {})
        for attack, values in attacked.get("accuracies", {}).items():
            by_attack.setdefault(attack, {})[model_name(model)] = Curve(
                np.array(attacked["epsilons"]), 100 * np.array(values)
            )
    return by_attack


def _losses(training: Training) -> dict[str, Curve]:
    """By their names for people, the sum first."""
    tags = [tag for tag in training.curves if tag.endswith(_LOSS)]
    tags.sort(key=lambda tag: tag != "train/loss")
    return {_LOSSES.get(tag, tag): training.curves[tag] for tag in tags}


def _over_steps(lines: Sequence[Mapping[str, Any]]) -> Curve:
    """The accuracies of some evaluations, in %."""
    steps = np.array([line["step"] for line in lines])
    shares = np.array([line["top_1_accuracy"] for line in lines])
    return Curve(steps, 100 * shares)


def _in_words(scores: Sequence[Score]) -> str:
    """What the chart of accuracies shows, for those who cannot see it."""
    words = ", ".join(f"{s.name} {one_decimal(s.accuracy)} %" for s in scores)
    return f"Top-1 accuracy on the test images: {words}"


def _drawing(
    picture: "figure.Figure", caption: str, scores: Scores | None = None
) -> Drawing:
    label = caption if scores is None else _in_words(scores.of_models)
    name = re.sub(r"\W+", "-", caption.lower())
    return Drawing(
        caption, svg.inline(picture, name, html.escape(label, quote=True))
    )
