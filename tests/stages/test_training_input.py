"""What each replica of each worker is fed."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import DataConfig, ModelConfig, TrainConfig
from noisy_student.methods import Supervised, noisy_student
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.training_input import Unlabeled, replica_batches
from tests.settings import experiment
from tests.training.runs import DEVICES

TRAIN = TrainConfig(
    "noisy_student",
    train_batch_size=8,
    unlabel_ratio=2,
    accumulation_steps=2,
    label_data_sample_prob=0.5,
)


CONFIG = dataclasses.replace(
    experiment("none"),
    model=ModelConfig("efficientnet-b0", input_image_size=8),
    data=DataConfig("digits", input_image_size=8),
    train=TRAIN,
)
METHOD = noisy_student.NoisyStudent(0.1, 2.0, 1.0, lambda x: x, False)


@pytest.fixture(scope="module")
def opened():
    return Experiment.open(CONFIG, DEVICES)


def context(worker=0, workers=1, replicas=1):
    return tf.distribute.InputContext(workers, worker, replicas)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(context(), id="one", marks=pytest.mark.slow),
        pytest.param(context(0, 1, 2), id="replicas", marks=pytest.mark.slow),
        pytest.param(context(1, 2, 2), id="workers", marks=pytest.mark.slow),
        pytest.param(context(1, 2, 4), id="both"),
    ],
)
def test_a_later_step_is_what_would_have_come(opened, place):
    per_step = (
        place.num_replicas_in_sync // place.num_input_pipelines
    ) * TRAIN.accumulation_steps

    unlabeled = Unlabeled.open(opened)

    def batches(start):
        return replica_batches(opened, METHOD, unlabeled, 0, place, start)

    whole = list(batches(0).take(3 * per_step).as_numpy_iterator())
    later = batches(2)
    size = TRAIN.train_batch_size // (place.num_replicas_in_sync * 2)
    for early, late in zip(
        whole[2 * per_step :], later.as_numpy_iterator(), strict=False
    ):
        assert early["label"].shape == (size,)
        # Of the labels that count: 8 images a step, half of them, and twice
        # as many unlabelled ones.
        assert early["unlabeled_weight"].shape == (size,)
        for key, values in early.items():
            np.testing.assert_array_equal(values, late[key])


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_test_image_is_seen_once(opened, workers):
    data = opened.data
    counted, labels = 0.0, []
    for worker in range(workers):
        place = context(worker, workers, workers)
        batches = opened.images_once(data.test, 8, place)
        for batch in batches.as_numpy_iterator():
            counted += batch["weight"].sum()
            labels += batch["label"][batch["weight"] > 0].tolist()
    assert counted == data.test.num_images
    assert sorted(labels) == sorted(data.test.labels().tolist())


def test_rare_classes_weigh_more(opened):
    """Balanced weights give every class the same sum over the images."""
    labels = opened.data.labeled.labels()
    # All the zeros, two of each other class.
    counts = np.array([5] + [2] * 9)
    mask = np.zeros(len(labels), bool)
    for label, count in enumerate(counts):
        mask[np.flatnonzero(labels == label)[:count]] = True
    train = TrainConfig(
        "supervised", train_batch_size=23, class_weights="balanced"
    )
    unequal = dataclasses.replace(
        opened,
        data=dataclasses.replace(
            opened.data, labeled=opened.data.labeled.subset(mask)
        ),
        config=dataclasses.replace(CONFIG, train=train),
    )
    batches = replica_batches(
        unequal, Supervised(0.1), Unlabeled(), 0, context(), 0
    )
    [batch] = batches.take(1).as_numpy_iterator()  # an epoch: every image once
    assert np.bincount(batch["label"]).tolist() == counts.tolist()
    sums = np.bincount(batch["label"], batch["label_weight"])
    np.testing.assert_allclose(sums, 2.3, rtol=1e-6)
