"""Temporal ensembling on rows that are shuffled anew in every epoch."""

import dataclasses

import numpy as np
import tensorflow as tf

from noisy_student import methods
from noisy_student.config import ConsistencyConfig, TrainConfig
from tests.training.runs import BATCH, make_images

LABELED, UNLABELED, CLASSES = 6, 10, 2


def make_method(train_steps=30, kind=methods.TemporalEnsembling):
    return kind(
        methods.Setup(
            TrainConfig(
                "temporal_ensembling", unlabel_ratio=1, train_steps=train_steps
            ),
            ConsistencyConfig(max_consistency_weight=10),
            CLASSES,
            LABELED,
            UNLABELED,
            LABELED,
            UNLABELED,
        )
    )


def stream(size, seed):
    """Endless rows: permutations, one after the other."""
    generator = np.random.default_rng(seed)
    while True:
        yield from generator.permutation(size)


def batches(count, size=BATCH):
    """The first so many batches; epochs end within some."""
    rows = [stream(LABELED, 0), stream(UNLABELED, 1)]
    shape = (size, 8, 8, 3)
    for number in range(count):
        generator = np.random.default_rng(number)
        labeled, unlabeled = ([next(r) for _ in range(size)] for r in rows)
        yield {
            "image": generator.uniform(0, 255, shape).astype("f4"),
            "label": np.array(labeled) % 2,
            "label_weight": np.ones(size, "f4"),
            "second_image": generator.uniform(0, 255, shape).astype("f4"),
            "row": np.array(labeled),
            "unlabeled_image": generator.uniform(0, 255, shape).astype("f4"),
            "unlabeled_second_image": generator.uniform(0, 255, shape).astype(
                "f4"
            ),
            "unlabeled_weight": (generator.random(size) < 0.9).astype("f4"),
            "unlabeled_row": np.array(unlabeled),
        }


def dataset(count, size=BATCH):
    made = list(batches(count, size))
    whole = {key: np.stack([b[key] for b in made]) for key in made[0]}
    return tf.data.Dataset.from_tensor_slices(whole)


def images():
    whole = dataset(40)
    return dataclasses.replace(
        make_images(), batches=lambda _, start: whole.skip(start)
    )


def state_of(method):
    return {name: x.numpy() for name, x in method.own_state().items()}
