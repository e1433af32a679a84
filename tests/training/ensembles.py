"""Temporal ensembling on rows that are shuffled anew in every epoch."""

import numpy as np
import tensorflow as tf

from noisy_student.config import ConsistencyConfig, TrainConfig
from noisy_student.methods import MethodContext, temporal_ensembling
from tests.training.runs import BATCH

LABELED, UNLABELED, CLASSES = 6, 10, 2


def make_method(train_steps=30, kind=temporal_ensembling.TemporalEnsembling):
    return kind(
        MethodContext(
            TrainConfig(
                "temporal_ensembling",
                unlabel_ratio=1,
                train_steps=train_steps,
                label_smoothing=0.0,
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


def changes(method):
    """Fields of a run that trains with the method on these batches."""
    whole = dataset(40)
    return {"method": method, "batches": lambda _, start: whole.skip(start)}


def state_of(method):
    return {name: x.numpy() for name, x in method.worker_state().items()}
