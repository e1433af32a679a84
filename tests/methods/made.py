"""Methods and batches that the tests of this folder share."""

import numpy as np

from noisy_student import methods
from noisy_student.config import ConsistencyConfig, TrainConfig

NUM_LABELED, NUM_UNLABELED, CLASSES = 50, 200, 4


def context(name, train_steps=300, max_consistency_weight=None, **consistency):
    method = methods.find(name)
    if max_consistency_weight is None:
        max_consistency_weight = method.default_max_consistency_weight
    return methods.MethodContext(
        TrainConfig(
            name,
            unlabel_ratio=2,
            train_steps=train_steps,
            label_smoothing=0.0,
        ),
        ConsistencyConfig(
            max_consistency_weight=max_consistency_weight, **consistency
        ),
        CLASSES,
        NUM_LABELED,
        NUM_UNLABELED,
        NUM_LABELED,
        NUM_UNLABELED,
    )


def batch(seed=0, labeled=3, unlabeled=6, shape=(CLASSES,), scale=1.0):
    """Random images; those of other shapes are given as logits."""
    generator = np.random.default_rng(seed)

    def images(count):
        return scale * generator.normal(size=(count, *shape)).astype("f4")

    return {
        "image": images(labeled),
        "second_image": images(labeled),
        "label": generator.integers(0, CLASSES, labeled),
        "label_weight": np.ones(labeled, np.float32),
        "row": generator.permutation(NUM_LABELED)[:labeled],
        "unlabeled_image": images(unlabeled),
        "unlabeled_second_image": images(unlabeled),
        "unlabeled_weight": np.array([1, 0] * (unlabeled // 2), np.float32),
        "unlabeled_row": generator.permutation(NUM_UNLABELED)[:unlabeled],
    }


def compute(method, student, average, batch, step):
    """A method's losses, as the training loop asks for them."""
    found = method.look_up(batch)
    result = method.compute_losses(student, average, found, step)
    method.remember(found, result.kept)
    return result
