"""What PGD of k steps costs beside k gradients of the same model.

  python -m tools.benchmarks.pgd --rounds=15

One side attacks a batch, the other computes its gradient k times, by one
compiled function. They take turns in one process; `pgd_cost` is the largest
quotient of their median times.
"""

import json
from collections.abc import Callable

import tensorflow as tf
from absl import app, flags

from noisy_student import models
from noisy_student.config import ModelConfig
from noisy_student.evaluation import attacks
from tools.benchmarks import growth, turns

_STEPS = 10
_EPSILON = 8.0
# Models and their batch sizes.
_CASES = {
    "digits": (
        ModelConfig(
            "efficientnet-b0",
            10,
            8,
            width_coefficient=0.5,
            small_image_model=True,
        ),
        64,
    ),
    "b0_64": (ModelConfig("efficientnet-b0", 10, 64), 16),
}
_NAMES = flags.DEFINE_multi_enum(
    "attack_case", list(_CASES), list(_CASES), "Which models to attack."
)


def make_runs(
    config: ModelConfig, batch_size: int, steps: int
) -> dict[str, Callable[[], object]]:
    """Returns one call of each side.

    Args:
        config: The model.
        batch_size: Number of images.
        steps: Steps of PGD, and number of gradients.
    """
    model = models.build_model(config)
    images, labels = growth.images_and_labels(
        models.input_side(config), batch_size
    )
    labels %= config.num_classes
    rows = tf.range(batch_size, dtype=tf.int64)

    @tf.function
    def attack(epsilon: tf.Tensor) -> tf.Tensor:
        pgd = attacks.PGD(steps)
        return pgd.of(model, images, labels, rows)(epsilon)

    @tf.function
    def gradient(images: tf.Tensor) -> tf.Tensor:
        return attacks.input_gradient(model, images, labels)

    return {
        "pgd": lambda: attack(tf.constant(_EPSILON)).numpy(),
        "gradients": lambda: [gradient(images).numpy() for _ in range(steps)],
    }


def main(_: list[str]) -> None:
    """Prints the table and the largest quotient."""
    costs = []
    print(f"{'model':>8}{'PGD s':>10}{'gradients s':>13}{'cost':>8}")
    for name in _NAMES.value:
        runs = make_runs(*_CASES[name], _STEPS)
        found = turns.seconds(runs, turns.ROUNDS.value)
        costs.append(found["pgd"] / found["gradients"])
        print(
            f"{name:>8}{found['pgd']:>10.3f}{found['gradients']:>13.3f}"
            f"{costs[-1]:>8.3f}",
            flush=True,
        )
    print(json.dumps({"pgd_cost": round(max(costs), 3)}))


if __name__ == "__main__":
    app.run(main)
