"""What evaluations cost beside the model's predictions.

  python -m tools.benchmarks.evaluate --rounds=7
  python -m tools.benchmarks.evaluate --evaluate_case=32 --parts=evaluate

evaluate: an evaluation, from decoded images in memory to scores, against the
bare compiled prediction of the same images; evaluate_jpegs: the same from
JPEGs, whose decoding takes its share of the cores. corruptions: errors on
images that are corrupted in processes beside the prediction, against the
slower of both alone; on few cores they take them from each other. The ratios
are the smallest over the cases. memory: growth of the resident memory over the
last two thirds of a long evaluation of corrupted images.
"""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable, Iterator

import keras
import numpy as np
import psutil
import tensorflow as tf
from absl import app, flags

from noisy_student import models
from noisy_student.config.robustness import CORRUPTIONS
from noisy_student.data import plain, sources, views
from noisy_student.disturbances import corruptions
from noisy_student.evaluation import AnswersEvaluator
from noisy_student.evaluation.base import Batches
from noisy_student.evaluation.corruptions import GroupErrors
from noisy_student.evaluation.disturbed import Disturbed
from noisy_student.processes import Workers
from tools.benchmarks import choices, growth, photographs, turns

_SEVERITY = 3


@dataclasses.dataclass(frozen=True)
class Case:
    """B0 on photographs.

    Attributes:
        side: Of the model's input, in pixels; small images are not cropped.
        width, height: Of the JPEGs, in pixels.
        batch_size: Number of images in a batch.
        num_images: Number of images that a turn evaluates.
        num_corrupted: Number that it corrupts with each of the 15 types.
    """

    side: int
    width: int
    height: int
    batch_size: int
    num_images: int
    num_corrupted: int

    @functools.cached_property
    def model(self) -> keras.Model:
        """The model, for 1,000 classes."""
        small = self.side == self.width
        return models.build_model(
            growth.model_config("efficientnet-b0", self.side, small)
        )

    def batches(self, num_images: int) -> Batches:
        """Returns one pass over so many photographs, as evaluations read it."""
        encoded = photographs.jpegs(self.width, self.height, 64)
        examples = {
            "encoded": tf.constant(encoded),
            "label": tf.range(64, dtype=tf.int64),
            "index": tf.range(64, dtype=tf.int64),
        }
        images = tf.data.Dataset.from_tensor_slices(examples).repeat()
        source = sources.ImageSource(
            num_images, lambda: images.take(num_images), "photographs"
        )
        small = self.side == self.width
        form = views.ImageFormat(self.side, small, horizontal_flip=False)
        return lambda _: plain.plain_images(source, form, self.batch_size)


CASES = {
    "32": Case(32, 32, 32, 128, 8192, 64),
    "224": Case(224, 500, 375, 32, 512, 8),
}


def evaluation_runs(case: Case) -> dict[str, Callable[[], object]]:
    """Returns turns of evaluations and of the bare prediction."""
    jpegs = case.batches(case.num_images)
    in_memory = turns.prefetched(jpegs(None).cache())
    decoded = [*in_memory]
    call = tf.function(lambda images: case.model(images, training=False))
    evaluators = [
        AnswersEvaluator(batches, case.num_images, shown=False)
        for batches in (lambda _: in_memory, jpegs)
    ]
    return {
        "evaluation": lambda: evaluators[0](case.model),
        "from JPEGs": lambda: evaluators[1](case.model),
        "prediction": lambda: [
            call(batch["image"]).numpy() for batch in decoded
        ],
    }


@contextlib.contextmanager
def corrupted(
    case: Case, num_corrupted: int
) -> Iterator[tuple[GroupErrors, Batches]]:
    """Yields an evaluator on corrupted images, and what makes these."""
    sizes = [num_corrupted] * len(CORRUPTIONS)

    def arguments(rows: np.ndarray) -> tuple[list[str], list[int], list[int]]:
        groups, places = np.divmod(rows, num_corrupted)
        kinds = [CORRUPTIONS[group] for group in groups]
        return kinds, [_SEVERITY] * len(rows), places.tolist()

    with Workers() as workers:
        made = Disturbed(workers, corruptions.corrupt_all, arguments)
        batches = made.batches(case.batches(sum(sizes)))
        yield (
            GroupErrors(batches, sum(sizes), shown=False, group_sizes=sizes),
            batches,
        )


def corruption_seconds(case: Case, rounds: int) -> dict[str, float]:
    """Returns the median times of both together, and of each alone."""
    with corrupted(case, case.num_corrupted) as (evaluator, batches):
        plain_evaluator = dataclasses.replace(
            evaluator, batches=case.batches(evaluator.num_images)
        )
        runs = {
            "together": lambda: evaluator.errors(case.model),
            "making": lambda: [*batches(None)],
            "prediction": lambda: plain_evaluator.errors(case.model),
        }
        return turns.seconds(runs, rounds)


def memory_growth(case: Case, longer: int) -> float:
    """Returns how much the memory grows after the first third.

    Args:
        case: What is evaluated.
        longer: Turns that it takes as long as.
    """
    sizes: list[int] = []
    process = psutil.Process()

    def note() -> None:
        own = [process, *process.children(recursive=True)]
        sizes.append(sum(each.memory_info().rss for each in own))

    with corrupted(case, longer * case.num_corrupted) as (evaluator, _):
        evaluator.measure(case.model, note)
    third = len(sizes) // 3
    return max(sizes[third:]) / max(sizes[:third]) - 1


PARTS = ("evaluate", "corruptions", "memory")
_CASES = choices.define("evaluate_case", CASES, "Sides of the model's input.")
_PARTS = choices.define("parts", PARTS, "What to measure.")
_LONGER = flags.DEFINE_integer(
    "memory_turns", 30, "Turns that the memory is watched for.", lower_bound=1
)


def _print(name: str, part: str, seconds: dict[str, float]) -> None:
    sides = ", ".join(f"{side} {time:.3f} s" for side, time in seconds.items())
    print(f"{part:>14}{name:>6} px: {sides}", flush=True)


def main(_: list[str]) -> None:
    """Prints the tables and the ratios."""
    ratios: dict[str, float] = {}
    rounds = turns.ROUNDS.value
    for name in _CASES.value:
        case, found = CASES[name], {}
        if "evaluate" in _PARTS.value:
            seconds = turns.seconds(evaluation_runs(case), rounds)
            _print(name, "evaluate", seconds)
            bare = seconds["prediction"]
            found["evaluate"] = bare / seconds["evaluation"]
            found["evaluate_jpegs"] = bare / seconds["from JPEGs"]
        if "corruptions" in _PARTS.value:
            seconds = corruption_seconds(case, rounds)
            _print(name, "corruptions", seconds)
            alone = max(seconds["making"], seconds["prediction"])
            found["corruptions"] = alone / seconds["together"]
        for part, ratio in found.items():
            print(f"{part:>14}{name:>6} px: {ratio:.3f}", flush=True)
            ratios[part] = min(ratio, ratios.get(part, ratio))
    if "memory" in _PARTS.value:
        case = CASES[_CASES.value[0]]
        ratios["memory"] = memory_growth(case, _LONGER.value)
    print(json.dumps({part: round(x, 3) for part, x in ratios.items()}))


if __name__ == "__main__":
    app.run(main)
