"""How fast is a training step, against stock Keras?

Each side is a process of its own, and they take turns; every figure is the
median over the rounds. The Keras side is `keras.applications`' EfficientNet in
Keras' own `fit` and its graph-compiled call, with the same optimizer and the
same images in memory:

  python -m tools.benchmarks.train_step
  python -m tools.benchmarks.train_step --cases=train_32 --rounds=9 --nogrowth

Our side does more work per step: weight decay and the averaged weights.
"""

import copy
import dataclasses
import functools
import json

import keras
import tensorflow as tf
from absl import app, flags
from keras.src.applications import efficientnet

from noisy_student import models
from noisy_student.training import optimizers
from tools.benchmarks import choices, growth, turns


@dataclasses.dataclass(frozen=True)
class Case:
    """One comparison: what is timed (train or predict), on which images."""

    task: str
    side: int
    batch_size: int
    steps: int
    small: bool = False


CASES = {
    "train_224": Case("train", 224, 16, 3),
    "train_32": Case("train", 32, 128, 10, small=True),
    "predict_224": Case("predict", 224, 16, 8),
    "predict_32": Case("predict", 32, 128, 20, small=True),
}
_NUM_CLASSES = 1000
_SIDES = ("ours", "keras")

_CASES = choices.define("cases", CASES, "What to compare.")
_KERAS_JIT = flags.DEFINE_bool(
    "keras_jit",
    False,
    "Compile Keras' step with XLA, its default, which is the slower on a CPU.",
)
_GROWTH = flags.DEFINE_bool(
    "growth", True, "Also print the speed of B0 to B4 against their size."
)


def ours(case: Case, _: bool) -> growth.Run:
    """Returns runs of our model, in our loop or called without noise."""
    config = growth.model_config("efficientnet-b0", case.side, case.small)
    if case.task == "predict":
        model = models.build_model(config)
        images, _ = growth.images_and_labels(case.side, case.batch_size)
        return growth.call_run(model, images, case.steps)
    return growth.train_run(config, case.batch_size, case.steps)


def keras_applications(case: Case, jit: bool) -> growth.Run:
    """Returns runs of stock Keras layers, in `fit` or called."""
    model = stock_model(case.side, case.small)
    images, labels = growth.images_and_labels(case.side, case.batch_size)
    if case.task == "predict":
        return growth.call_run(model, images, case.steps, jit)
    model.compile(
        optimizer=optimizers.RMSprop(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit,
    )
    batches = tf.data.Dataset.from_tensors((images, labels)).repeat()
    return lambda: model.fit(
        batches, steps_per_epoch=case.steps, verbose=0, shuffle=False
    )


def stock_model(side: int, small: bool) -> keras.Model:
    """Builds `keras.applications`' B0; `small` is the one for 32x32 px."""
    blocks = copy.deepcopy(efficientnet.DEFAULT_BLOCKS_ARGS)
    if small:
        for stage in (1, 2):
            blocks[stage]["strides"] = 1
    return efficientnet.EfficientNet(
        1.0,
        1.0,
        default_size=side,
        input_shape=(side, side, 3),
        blocks_args=blocks,
        weights=None,
        classes=_NUM_CLASSES,
        classifier_activation=None,
        name="stock",
    )


def make_side(name: str, case: Case, jit: bool) -> turns.Turn:
    """Returns turns of one side, in images/s."""
    run = {"ours": ours, "keras": keras_applications}[name](case, jit)
    run()
    run()
    images = case.steps * case.batch_size
    return lambda: turns.images_per_second(run, images)


def main(_: list[str]) -> None:
    """Prints the tables and the ratios."""
    ratios = {}
    print(f"{'images/s':>12}{'ours':>10}{'keras':>10}{'ratio':>8}", flush=True)
    for name in _CASES.value:
        makers = {
            side: functools.partial(
                make_side, side, CASES[name], _KERAS_JIT.value
            )
            for side in _SIDES
        }
        mine, theirs = turns.compare(makers).values()
        ratios[name] = round(mine / theirs, 2)
        print(
            f"{name:>12}{mine:>10.1f}{theirs:>10.1f}{ratios[name]:>8.2f}",
            flush=True,
        )
    if _GROWTH.value:
        growth.print_table()
    print(json.dumps(ratios))


if __name__ == "__main__":
    app.run(main)
