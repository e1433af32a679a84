"""How fast is RandAugment, against keras-cv, Keras and PIL?

Batches of photographs in memory go through two operations per image at one
magnitude: ours compiled by XLA, and uncompiled as on the hosts of TPUs. Every
side gets the same number of threads (PIL: processes), has a
process of its own, and they take turns; figures are medians over the rounds.

  python -m tools.benchmarks.augment
  python -m tools.benchmarks.augment --sides=224 --peers=pil --rounds=9

keras-cv's and Keras' policies have fewer operations and draw one strength
differently; both are given the strength magnitude / 30 of their own scales.
"""

import functools
import json

import tensorflow as tf
from absl import app, flags

from noisy_student import noise
from tools.benchmarks import choices, photographs, pil_peer, turns

_BATCH_SIZES = {32: 256, 224: 64}
# Batches of a turn: some seconds of each.
_TURNS = {
    "compiled": {32: 1000, 224: 200},
    "uncompiled": {32: 200, 224: 60},
    "keras_cv": {32: 40, 224: 16},
    "keras": {32: 40, 224: 4},
    "pil": {32: 100, 224: 100},
}

_FORMS = ("compiled", "uncompiled")  # of our layer

_SIDES = choices.define("sides", ["32", "224"], "Sides of the images in px.")
_PEERS = choices.define("peers", ["keras_cv", "keras", "pil"], "The peers.")
_MAGNITUDE = flags.DEFINE_float(
    "magnitude", 15.0, "Of the operations.", lower_bound=0, upper_bound=30
)


def make_side(
    name: str, side: int, magnitude: float, count: int, threads: int
) -> turns.Turn:
    """Returns turns of one side, in images/s."""
    batch_size = _BATCH_SIZES[side]
    images = photographs.windows(side, batch_size)
    limits = (100.0, 40.0) if side > 64 else (side / 8, side / 8)
    if name == "pil":
        pool = pil_peer.Pool(threads, images, 2, magnitude, *limits)
        pool.run(threads)
        run = functools.partial(pool.run, count)
        return lambda: turns.images_per_second(run, count * batch_size)

    turns.use_threads(threads)
    augment = _augmentation(name, magnitude, limits)
    batch = tf.constant(images)
    dataset = tf.data.Dataset.counter().map(
        lambda i: augment(batch, i), num_parallel_calls=threads
    )
    return turns.over_batches(turns.prefetched(dataset), count, batch_size)


def _augmentation(name: str, magnitude: float, limits: tuple[float, float]):
    """Returns a function of a batch and its number."""
    if name in _FORMS:
        layer = noise.RandAugment(2, magnitude, *limits, form=name)
        return lambda images, i: layer(images, seed=tf.stack([i, 0]))
    if name == "keras_cv":
        peer = noise.keras_cv_rand_augment(2, magnitude)
        return lambda images, i: peer(images, tf.stack([i, 0]))
    import keras

    layer = keras.layers.RandAugment((0, 255), 2, factor=magnitude / 30)
    return lambda images, i: layer(images)


def main(_: list[str]) -> None:
    """Prints the table and the ratios."""
    ratios: dict = {"uncompiled": {}}
    print(f"{'images/s':>23}{'ours':>10}{'theirs':>10}{'ratio':>8}")
    for side in map(int, _SIDES.value):
        makers = {
            name: functools.partial(
                make_side,
                name,
                side,
                _MAGNITUDE.value,
                turns.BATCHES.value or _TURNS[name][side],
                turns.THREADS.value,
            )
            for name in [*_FORMS, *_PEERS.value]
        }
        speeds = turns.compare(makers)
        for form, found in (
            ("compiled", ratios),
            ("uncompiled", ratios["uncompiled"]),
        ):
            for peer in _PEERS.value:
                mine, theirs = speeds[form], speeds[peer]
                ratio = found[f"{peer}_{side}"] = round(mine / theirs, 2)
                line = f"{mine:>10.0f}{theirs:>10.0f}{ratio:>8.2f}"
                print(f"{form:>11}{peer:>9}{side:>4}{line}", flush=True)
    print(json.dumps(ratios))


if __name__ == "__main__":
    app.run(main)
