"""How much faster does EfficientNet-Lite0 train than B0?

Whole training steps on the same images in memory, at the resolution of both.
Each model is in a process of its own, and they take turns; every figure is the
median over the rounds:

  python -m tools.benchmarks.lite --rounds=7
"""

import functools
import json

from absl import app, flags

from tools.benchmarks import growth, turns

_MODELS = {"b0": "efficientnet-b0", "lite0": "efficientnet-lite0"}

_SIDE = flags.DEFINE_integer(
    "lite_side", 224, "Side of the images, in pixels.", lower_bound=32
)
_BATCH_SIZE = flags.DEFINE_integer(
    "lite_batch", 16, "Images per step.", lower_bound=1
)
_STEPS = flags.DEFINE_integer(
    "lite_steps", 3, "Steps of a turn.", lower_bound=1
)


def make_side(
    model_name: str, side: int, batch_size: int, steps: int
) -> turns.Turn:
    """Returns turns of the training of a model, in images/s."""
    config = growth.model_config(model_name, side)
    run = growth.train_run(config, batch_size, steps)
    run()
    run()
    return lambda: turns.images_per_second(run, steps * batch_size)


def main(_: list[str]) -> None:
    """Prints the table and the ratio."""
    settings = (_SIDE.value, _BATCH_SIZE.value, _STEPS.value)
    speeds = turns.compare(
        {
            name: functools.partial(make_side, model_name, *settings)
            for name, model_name in _MODELS.items()
        }
    )
    ratio = speeds["lite0"] / speeds["b0"]
    title = f"{_SIDE.value} px, batch {_BATCH_SIZE.value}, images/s"
    print(f"{title:>32}{'b0':>10}{'lite0':>10}{'ratio':>8}")
    figures = f"{speeds['b0']:>10.1f}{speeds['lite0']:>10.1f}{ratio:>8.2f}"
    print(f"{'training step':>32}{figures}")
    print(json.dumps({"lite0_train": round(ratio, 3)}))


if __name__ == "__main__":
    app.run(main)
