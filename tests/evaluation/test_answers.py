"""Answers come once each, in order, on any number of devices."""

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import evaluation
from noisy_student.errors import InputError


class Identity:
    def __call__(self, images, training):
        assert training is False
        return images


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(11, 8)).astype(np.float32)
    return logits, generator.integers(0, 8, 11)


def one_pass(logits, labels, batch_size):
    """Full batches; those that pad the last one have weight 0 and row 0."""
    size = len(labels)
    padding = -size % batch_size
    content = {
        # Padding that would be seen if it counted.
        "image": np.concatenate([logits, np.full([padding, 8], np.nan)]),
        "label": np.pad(labels, (0, padding)),
        "row": np.pad(np.arange(size), (0, padding)),
        "weight": np.pad(np.ones(size, np.float32), (0, padding)),
    }
    content["image"] = content["image"].astype(np.float32)
    return tf.data.Dataset.from_tensor_slices(content).batch(
        batch_size, drop_remainder=True
    )


@pytest.mark.parametrize("batch_size", [1, 3, 4])
@pytest.mark.parametrize("replicas", [1, 2])
def test_answers_are_in_order(images, replicas, batch_size):
    logits, labels = images
    strategy = tf.distribute.MirroredStrategy(
        [f"CPU:{index}" for index in range(replicas)]
    )
    with strategy.scope():
        evaluator = evaluation.AnswersEvaluator(
            lambda _: one_pass(logits, labels, batch_size), num_images=11
        )
        answers = evaluator.answers(Identity())
        metrics = evaluator(Identity())
    exponents = np.exp(logits.astype(np.float64))
    probabilities = exponents / exponents.sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(answers.labels, labels)
    np.testing.assert_array_equal(answers.predictions, logits.argmax(axis=1))
    np.testing.assert_allclose(
        answers.confidences, probabilities.max(axis=1), rtol=1e-5
    )
    np.testing.assert_allclose(
        answers.losses, -np.log(probabilities[range(11), labels]), rtol=1e-5
    )
    ranks = (logits > logits[range(11), labels][:, None]).sum(axis=1)
    np.testing.assert_array_equal(answers.in_top_5, ranks < 5)
    assert 0 < answers.in_top_5.mean() < 1
    assert metrics["num_images"] == 11
    assert metrics["top_1_accuracy"] == pytest.approx((ranks < 1).mean())


def test_outputs_that_are_no_numbers_are_named(images):
    logits, labels = images
    logits = logits.copy()
    logits[[2, 7], 0] = np.nan
    evaluator = evaluation.AnswersEvaluator(
        lambda _: one_pass(logits, labels, 4), num_images=11
    )
    with pytest.raises(InputError, match="for 2 of 11 images are not finite"):
        evaluator.answers(Identity())
