"""What does the training loop cost on top of its parts?

  python -m tools.benchmarks.loop
  python -m tools.benchmarks.loop --costs=loop,memory --rounds=9

loop: steps in the training loop, data in memory, against the bare compiled
step; teacher_step: Noisy Student with a teacher in the step against the
student's step and the teacher's prediction apart; two_workers: two worker
processes of one core each against twice one such process; linear: how far the
time of a step is from a straight line over the batch size; memory: growth
over the last five sixths of a run on the digits.
"""

import functools
import json
import statistics
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from absl import app, flags

from noisy_student import methods, models
from noisy_student.config import ModelConfig
from noisy_student.methods import base, noisy_student
from tools.benchmarks import choices, growth, loop_workers, memory, turns

_SIDE = 32
_STEPS = 6
_LABELED, _UNLABELED = 16, 48
_BATCHES = (16, 32, 64, 128)

_STEPS_OF_MEMORY = flags.DEFINE_integer(
    "memory_steps", 2400, "Steps of the run whose memory is watched."
)


def _config() -> ModelConfig:
    return growth.model_config("efficientnet-b0", _SIDE, small=True)


def _batch(labeled: int, unlabeled: int = 0) -> base.Batch:
    """Images in memory, and all else that a method may ask for."""
    images, labels = growth.images_and_labels(_SIDE, labeled)
    batch = {"image": images, "label": labels, "label_weight": tf.ones(labeled)}
    if not unlabeled:
        return batch
    images, labels = growth.images_and_labels(_SIDE, unlabeled)
    return batch | {
        "unlabeled_image": images,
        "teacher_image": images,
        "unlabeled_label": labels,
        "unlabeled_probabilities": tf.one_hot(labels, 1000),
        "unlabeled_weight": tf.ones(unlabeled),
    }


def _timed(run: growth.Run) -> turns.Turn:
    """Returns turns in steps/s, warmed up."""
    run()
    run()
    return lambda: turns.images_per_second(run, _STEPS)


def in_loop(labeled: int, unlabeled: int, with_teacher: bool) -> turns.Turn:
    """Returns turns of the training loop, in steps/s."""
    method: base.Method = methods.Supervised(0.1)
    if unlabeled:
        teacher = models.build_model(_config()) if with_teacher else None
        if teacher:
            teacher.trainable = False
        method = noisy_student.NoisyStudent(0.1, 3.0, 1.0, teacher)
    train_loop = growth.make_loop(_config(), method)
    batch = _batch(labeled, unlabeled)
    batch = {key: batch[key] for key in method.batch_keys}
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    return _timed(lambda: train_loop(batches, _STEPS))


def bare(labeled: int) -> turns.Turn:
    """Returns turns of the compiled step, called from Python, in steps/s."""
    compiled = tf.function(
        growth.make_loop(_config(), methods.Supervised(0.1)).step
    )
    batch = _batch(labeled)

    def run() -> None:
        for _ in range(_STEPS):
            compiled(batch)["train/loss"].numpy()

    return _timed(run)


def prediction(unlabeled: int) -> turns.Turn:
    """Returns turns of the teacher's prediction alone, in steps/s."""
    batch = _batch(1, unlabeled)
    return _timed(
        growth.call_run(
            models.build_model(_config()), batch["teacher_image"], _STEPS
        )
    )


def loop_cost() -> float:
    """Returns the speed of the loop over that of the bare step."""
    count = _LABELED + _UNLABELED
    looped, plain = _compare(
        {
            "in the loop": functools.partial(in_loop, count, 0, False),
            "bare step": functools.partial(bare, count),
        }
    )
    return looped / plain


def teacher_cost() -> float:
    """Returns the time of the parts over that of the step with both."""
    step = functools.partial(in_loop, _LABELED, _UNLABELED)
    taught, student, teacher = _compare(
        {
            "with a teacher": functools.partial(step, True),
            "student alone": functools.partial(step, False),
            "teacher alone": functools.partial(prediction, _UNLABELED),
        }
    )
    return (1 / student + 1 / teacher) * taught


def line_cost() -> float:
    """Returns the greatest relative distance of a step's time from a line."""
    speeds = _compare(
        {
            f"batch {size}": functools.partial(in_loop, size, 0, False)
            for size in _BATCHES
        }
    )
    return distance_from_line(_BATCHES, [1 / speed for speed in speeds])


def distance_from_line(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """Returns the worst point's, from the line of least relative squares."""
    times = np.array(seconds)
    line = np.polyfit(sizes, times, 1, w=1 / times)
    return float(np.abs(np.polyval(line, sizes) / times - 1).max())


def workers_cost() -> float:
    """Returns the speed of two workers over twice that of one."""
    speeds: dict[str, list[float]] = {"one worker": [], "two workers": []}
    for _ in range(turns.ROUNDS.value):
        for number, name in enumerate(speeds, 1):
            speeds[name].append(loop_workers.images_per_second(number))
    one, two = _print(
        {name: statistics.median(turn) for name, turn in speeds.items()},
        "images/s",
    )
    return two / (2 * one)


def memory_growth() -> float:
    """Returns the relative growth of a run's memory."""
    return memory.growth_of_a_run(_STEPS_OF_MEMORY.value)


COSTS = {
    "loop": loop_cost,
    "teacher_step": teacher_cost,
    "two_workers": workers_cost,
    "linear": line_cost,
    "memory": memory_growth,
}
_COSTS = choices.define("costs", COSTS, "What to measure.")


def _compare(sides: Mapping[str, Callable[[], turns.Turn]]) -> list[float]:
    """Prints the sides' steps/s and returns them."""
    return _print(turns.compare(sides), "steps/s")


def _print(speeds: dict[str, float], unit: str) -> list[float]:
    for name, speed in speeds.items():
        print(f"{name:>16}{speed:10.2f} {unit}", flush=True)
    return [*speeds.values()]


def main(_: list[str]) -> None:
    """Prints the tables and the ratios."""
    ratios = {}
    for name in _COSTS.value:
        ratios[name] = round(COSTS[name](), 3)
        print(f"{name:>16}{ratios[name]:10.3f}", flush=True)
    print(json.dumps(ratios))


if __name__ == "__main__":
    app.run(main)
