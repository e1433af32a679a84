"""What does the training loop cost beside its parts?

  python -m tools.benchmarks.loop
  python -m tools.benchmarks.loop --costs=loop,memory --rounds=9

loop: steps in the training loop, data in memory, against the bare compiled
step; teacher_step: Noisy Student with a teacher in the step against the
student's step and the teacher's prediction apart; two_workers: two worker
processes of one core each against twice one such process; linear: how far the
time of a step is from a straight line over the batch; memory: growth over
2,000 steps of a run on the digits.
"""

import functools
import json
import statistics

import numpy as np
import tensorflow as tf
from absl import app, flags

from noisy_student import methods, models
from noisy_student.config import ModelConfig
from noisy_student.methods import base, noisy_student
from noisy_student.training import loop
from tools.benchmarks import growth, loop_workers, memory, turns

_SIDE = 32
_STEPS = 6
_LABELED, _UNLABELED = 16, 48
_BATCHES = (16, 32, 64, 128)

_COSTS = flags.DEFINE_multi_enum(
    "costs",
    ["loop", "teacher_step", "two_workers", "linear", "memory"],
    ["loop", "teacher_step", "two_workers", "linear", "memory"],
    "What to measure.",
)


def _config() -> ModelConfig:
    return growth.model_config("efficientnet-b0", _SIDE, small=True)


def _batch(labeled: int, unlabeled: int = 0) -> base.Batch:
    """Images in memory, and whatever a method may ask for beside them."""
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
    """Turns of steps/s, warmed up."""
    run()
    run()
    return lambda: turns.images_per_second(run, _STEPS)


def in_loop(labeled: int, unlabeled: int, with_teacher: bool) -> turns.Turn:
    """The training loop; steps/s."""
    method: base.Method = methods.Supervised(0.1)
    if unlabeled:
        teacher = models.build_model(_config()) if with_teacher else None
        if teacher:
            teacher.trainable = False
        method = noisy_student.NoisyStudent(0.1, 3.0, 1.0, teacher)
    train_loop = loop.TrainLoop(growth.make_step(_config(), method))
    batch = _batch(labeled, unlabeled)
    batch = {key: batch[key] for key in method.batch_keys}
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    return _timed(lambda: train_loop(batches, _STEPS))


def bare(labeled: int) -> turns.Turn:
    """The compiled step alone, called from Python; steps/s."""
    compiled = tf.function(
        growth.make_step(_config(), methods.Supervised(0.1)).run
    )
    batch = _batch(labeled)

    def run() -> None:
        for _ in range(_STEPS):
            compiled(batch)["train/loss"].numpy()

    return _timed(run)


def prediction(unlabeled: int) -> turns.Turn:
    """The teacher's prediction alone; steps/s."""
    batch = _batch(1, unlabeled)
    return _timed(
        growth.call_run(
            models.build_model(_config()), batch["teacher_image"], _STEPS
        )
    )


def loop_cost() -> float:
    """Speed of the loop over that of the bare step."""
    count = _LABELED + _UNLABELED
    speeds = turns.compare(
        {
            "in the loop": functools.partial(in_loop, count, 0, False),
            "bare step": functools.partial(bare, count),
        },
        turns.ROUNDS.value,
    )
    _print(speeds)
    return speeds["in the loop"] / speeds["bare step"]


def teacher_cost() -> float:
    """Time of the parts over that of the step with both."""
    speeds = turns.compare(
        {
            "with a teacher": functools.partial(
                in_loop, _LABELED, _UNLABELED, True
            ),
            "student alone": functools.partial(
                in_loop, _LABELED, _UNLABELED, False
            ),
            "teacher alone": functools.partial(prediction, _UNLABELED),
        },
        turns.ROUNDS.value,
    )
    _print(speeds)
    apart = 1 / speeds["student alone"] + 1 / speeds["teacher alone"]
    return apart * speeds["with a teacher"]


def line_cost() -> float:
    """The greatest relative distance of a step's time from a line."""
    speeds = turns.compare(
        {
            f"batch {size}": functools.partial(in_loop, size, 0, False)
            for size in _BATCHES
        },
        turns.ROUNDS.value,
    )
    _print(speeds)
    seconds = [1 / speed for speed in speeds.values()]
    return distance_from_line(_BATCHES, seconds)


def distance_from_line(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """Of the worst point from the line of least relative squares."""
    times = np.array(seconds)
    line = np.polyfit(sizes, times, 1, w=1 / times)
    return float(np.abs(np.polyval(line, sizes) / times - 1).max())


def workers_cost() -> float:
    """Speed of two workers over twice that of one."""
    one, two = [], []
    for _ in range(turns.ROUNDS.value):
        one.append(loop_workers.images_per_second(1))
        two.append(loop_workers.images_per_second(2))
    speeds = {"one worker": one, "two workers": two}
    medians = {k: statistics.median(v) for k, v in speeds.items()}
    _print(medians, "images/s")
    return medians["two workers"] / (2 * medians["one worker"])


def _print(speeds: dict[str, float], unit: str = "steps/s") -> None:
    for name, speed in speeds.items():
        print(f"{name:>16}{speed:10.2f} {unit}", flush=True)


def main(_: list[str]) -> None:
    """Prints the tables and the ratios."""
    measures = {
        "loop": loop_cost,
        "teacher_step": teacher_cost,
        "two_workers": workers_cost,
        "linear": line_cost,
        "memory": memory.growth_of_a_run,
    }
    ratios = {}
    for name in _COSTS.value:
        ratios[name] = round(measures[name](), 3)
        print(f"{name:>16}{ratios[name]:10.3f}", flush=True)
    print(json.dumps(ratios))


if __name__ == "__main__":
    app.run(main)
