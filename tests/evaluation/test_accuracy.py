import numpy as np
import pytest
import tensorflow as tf

from noisy_student import evaluation
from noisy_student.evaluation.accuracy import LimitedAccuracy


def one_pass(logits, labels, weights, batch_size):
    return tf.data.Dataset.from_tensor_slices(
        {"image": logits, "label": labels, "weight": weights}
    ).batch(batch_size, drop_remainder=True)


class Identity:
    def __call__(self, images, training):
        assert training is False
        return images


@pytest.fixture(scope="module")
def predictions():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(12, 8)).astype(np.float32)
    labels = generator.integers(0, 8, 12)
    weights = np.array([1] * 10 + [0] * 2, np.float32)
    logits[[0, 1, 2], labels[:3]] = 9  # some are right
    # What pads the last batch must not count, even where it is right.
    logits[10:] = 0
    logits[[10, 11], labels[10:]] = 1
    ranks = (logits > logits[np.arange(12), labels][:, None]).sum(axis=1)
    truth = [(ranks[:10] < k).mean() for k in (1, 5)]
    return logits, labels, weights, truth


@pytest.mark.parametrize("replicas", [1, 2])
def test_every_image_counts_once(predictions, replicas):
    logits, labels, weights, truth = predictions
    strategy = tf.distribute.MirroredStrategy(
        [f"CPU:{index}" for index in range(replicas)]
    )
    with strategy.scope():
        evaluator = evaluation.Accuracy(
            lambda _: one_pass(logits, labels, weights, 4 // replicas),
            num_images=10,
        )
        metrics = evaluator(Identity())
    assert metrics["num_images"] == 10
    assert [
        metrics["top_1_accuracy"],
        metrics["top_5_accuracy"],
    ] == pytest.approx(truth)
    assert 0 < truth[0] < truth[1] < 1


def test_few_classes_have_a_top_5_of_one():
    logits = np.eye(3, dtype=np.float32)
    evaluator = evaluation.Accuracy(
        lambda _: one_pass(
            logits, np.array([0, 1, 0]), np.ones(3, np.float32), 3
        ),
        num_images=3,
    )
    metrics = evaluator(Identity())
    assert metrics["top_1_accuracy"] == pytest.approx(2 / 3)
    assert metrics["top_5_accuracy"] == 1


@pytest.mark.parametrize("classes", [[1, 2, 4, 5, 6, 7], [0, 3]])
def test_predictions_are_limited_to_some_classes(predictions, classes):
    logits, labels, *_ = predictions
    inside = np.isin(labels, classes)
    assert 0 < inside.sum() < 12
    logits, labels = logits[inside], labels[inside]
    evaluator = LimitedAccuracy(
        lambda _: one_pass(logits, labels, np.ones_like(labels, "f"), 1),
        num_images=len(labels),
        classes=np.array(classes),
    )
    metrics = evaluator(Identity())
    places = [classes.index(label) for label in labels]
    for name, columns, truth in (
        ("", logits, labels),
        ("limited_", logits[:, classes], places),
    ):
        own = columns[np.arange(len(truth)), truth]
        ranks = (columns > own[:, None]).sum(axis=1)
        for k in (1, 5):
            assert metrics[f"{name}top_{k}_accuracy"] == pytest.approx(
                (ranks < k).mean()
            )
    assert metrics["num_images"] == len(labels)
