"""Temporal ensembling's targets against a loop in NumPy."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import memory, methods
from noisy_student.config import ConsistencyConfig
from noisy_student.data import pipelines
from noisy_student.methods import ensemble
from tests.data.images import NOISED, SMALL, make_source
from tests.methods import made

IMAGES, CLASSES, DECAY = 10, 3, 0.6


def epochs(batch_size, count=3):
    """Rows as the pipeline shuffles them; epochs may end within a batch."""
    batches = pipelines.BatchSpec(SMALL, NOISED, batch_size, seed=0)
    dataset = pipelines.unlabeled_images(make_source(IMAGES), batches)
    for batch in dataset.take(count * IMAGES // batch_size):
        yield batch["unlabeled_row"].numpy()


def predictions(rows, seed):
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.ones(CLASSES), len(rows)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    "batch_size",
    [pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, 5, 15)] + [6],
)
def test_three_epochs_equal_a_loop(batch_size, dtype):
    config = ConsistencyConfig(ensemble_decay=DECAY, ensemble_dtype=dtype)
    ours = ensemble.Ensemble((IMAGES, CLASSES), config)
    update = tf.function(ours.update)
    history = {row: [] for row in range(IMAGES)}
    seen = []
    for seed, rows in enumerate(epochs(batch_size)):
        probabilities = predictions(rows, seed)
        update(rows, probabilities, np.ones(len(rows), bool))
        for row, prediction in zip(rows, probabilities, strict=True):
            history[row].append(prediction)
        seen += rows.tolist()
    # Every image is updated once an epoch.
    for epoch in range(len(seen) // IMAGES):
        part = seen[epoch * IMAGES : (epoch + 1) * IMAGES]
        assert sorted(part) == list(range(IMAGES))
    expected = []
    for row in range(IMAGES):
        total = np.zeros(CLASSES)
        for prediction in history[row]:
            total = DECAY * total + (1 - DECAY) * prediction
        expected.append(total / (1 - DECAY ** len(history[row])))
    targets, has_target = ours.targets(np.arange(IMAGES))
    atol = 1e-6 if dtype == "float32" else 2e-3
    np.testing.assert_allclose(targets, expected, atol=atol)
    np.testing.assert_allclose(np.sum(targets, axis=1), 1, atol=atol)
    assert (has_target.numpy() == 1).all()
    counts = ours.state()["counts"].numpy()
    assert counts.tolist() == [len(history[row]) for row in range(IMAGES)]
    assert ours.state()["sums"].dtype == dtype


def test_the_first_target_is_the_first_prediction():
    """The bias of the start is divided out."""
    ours = ensemble.Ensemble((IMAGES, CLASSES), ConsistencyConfig())
    rows = np.array([4, 7])
    ours.update(rows, predictions(rows, 0), np.array([True, False]))
    targets, has_target = ours.targets(np.array([7, 4, 0]))
    np.testing.assert_allclose(targets[1], predictions(rows, 0)[0], rtol=1e-6)
    assert has_target.numpy().tolist() == [0, 1, 0]
    assert not np.any(targets[0]) and not np.any(targets[2])


def test_nothing_chosen_changes_nothing():
    ours = ensemble.Ensemble((IMAGES, CLASSES), ConsistencyConfig())
    rows = np.array([4, 4])
    tf.function(ours.update)(rows, predictions(rows, 0), np.zeros(2, bool))
    assert not np.any(ours.state()["counts"])


def test_an_image_twice_in_a_batch_counts_twice_in_order():
    ours = ensemble.Ensemble(
        (IMAGES, CLASSES), ConsistencyConfig(ensemble_decay=DECAY)
    )
    rows = np.array([2, 5, 2, 2])
    given = predictions(rows, 0)
    tf.function(ours.update)(rows, given, np.ones(4, bool))
    first, second, third = given[[0, 2, 3]]
    total = (1 - DECAY) * (DECAY**2 * first + DECAY * second + third)
    targets, _ = ours.targets(np.array([2]))
    np.testing.assert_allclose(targets[0], total / (1 - DECAY**3), rtol=1e-5)


def test_a_decay_of_0_keeps_the_last_prediction():
    config = ConsistencyConfig(ensemble_decay=0.0)
    ours = ensemble.Ensemble((IMAGES, CLASSES), config)
    rows = np.arange(IMAGES)
    for seed in range(2):
        ours.update(rows, predictions(rows, seed), np.ones(IMAGES, bool))
    targets, _ = ours.targets(rows)
    np.testing.assert_allclose(targets, predictions(rows, 1), rtol=1e-6)


def test_the_memory_is_said_and_missing_memory_refused(monkeypatch, capsys):
    size, config = (1_281_167, 1000), ConsistencyConfig()
    monkeypatch.setattr(memory, "available", lambda: 10 * 2**30)
    ensemble.check_memory(size, config)
    said = capsys.readouterr().err
    assert "1,281,167 x 1,000 targets in float32" in said
    assert "5,129,792,668 bytes (4.78 GiB), and twice as much when" in said
    assert "10.00 GiB are free" in said
    monkeypatch.setattr(memory, "available", lambda: 9 * 2**30)
    with pytest.raises(ValueError, match=r"9\.55 GiB when .* 9\.00 GiB"):
        ensemble.check_memory(size, config)
    ensemble.check_memory(size, ConsistencyConfig(force_ensemble=True))
    ensemble.check_memory(size, ConsistencyConfig(ensemble_dtype="float16"))


def test_the_method_checks_the_memory_of_its_own_part(monkeypatch):
    context = made.context("temporal_ensembling")
    rows = made.NUM_LABELED + made.NUM_UNLABELED
    needed = 2 * rows * (4 * made.CLASSES + 4)
    method = methods.find("temporal_ensembling")
    monkeypatch.setattr(memory, "available", lambda: needed)
    method.check(context)
    monkeypatch.setattr(memory, "available", lambda: needed - 1)
    with pytest.raises(ValueError, match="set force_ensemble"):
        method.check(context)


def test_tpus_are_refused():
    context = made.context("temporal_ensembling")
    tpu = object.__new__(tf.distribute.TPUStrategy)  # there is none here
    on_tpu = dataclasses.replace(context, strategy=tpu)
    with pytest.raises(ValueError, match="use mean_teacher or pi_model"):
        methods.find("temporal_ensembling").check(on_tpu)
