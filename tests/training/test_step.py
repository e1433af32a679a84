import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import methods
from noisy_student.config import ModelConfig, TrainConfig
from noisy_student.methods import losses, noisy_student
from noisy_student.models import efficientnet
from noisy_student.training import averaging, loop, optimizers

pytestmark = pytest.mark.usefixtures("short_network")

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.normal(size=(8, 6)).astype(np.float32)
LABELS = GENERATOR.integers(0, 3, 8)
SETTINGS = TrainConfig(weight_decay=1e-3, moving_average_decay=0.9)
UNLABELED = GENERATOR.dirichlet(np.ones(3), 8).astype(np.float32)


SMALL = ModelConfig(
    "efficientnet-b0",
    num_classes=3,
    input_image_size=16,
    width_coefficient=0.1,
    depth_coefficient=0.1,
    small_image_model=True,
)


def dense_model(seed=0):
    """Neither batch norm nor dropout: the mathematics alone."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(5, "tanh"),
            keras.layers.Dense(3),
        ]
    )


def batches(strategy):
    dataset = tf.data.Dataset.from_tensors(
        {
            "image": IMAGES,
            "label": LABELS,
            "label_weight": np.ones(len(LABELS), np.float32),
        }
    ).repeat()
    # A global batch of unequal examples, divided by the strategy.
    return iter(strategy.experimental_distribute_dataset(dataset))


def train(strategy, num_steps):
    with strategy.scope():
        student, average = dense_model(), dense_model()
        averaging.start(average, student)
        optimizer = optimizers.RMSprop(0.01)
        optimizer.build(student.trainable_variables)
        train_loop = loop.TrainLoop(
            methods.Supervised(0.1), student, average, optimizer, SETTINGS
        )
        result = train_loop(batches(strategy), num_steps)
    return student, average, optimizer, result.metrics


def train_by_hand(num_steps):
    """The same in NumPy, with the gradient taken by TensorFlow."""
    model = dense_model()
    variables = [v.value for v in model.trainable_variables]
    square = [np.ones(v.shape) for v in variables]
    momentum = [np.zeros(v.shape) for v in variables]
    average = [v.numpy() for v in variables]
    for index in range(num_steps):
        with tf.GradientTape() as tape:
            targets = losses.smooth_one_hot(LABELS, 3, 0.1)
            per_example = losses.cross_entropy(targets, model(IMAGES))
            loss = tf.reduce_mean(per_example) + 1e-3 * sum(
                tf.reduce_sum(v**2) / 2 for v in variables
            )
        gradients = tape.gradient(loss, variables)
        decay = min(0.9, (2 + index) / (11 + index))
        for i, (v, g) in enumerate(zip(variables, gradients, strict=True)):
            square[i] = 0.9 * square[i] + 0.1 * g.numpy() ** 2
            momentum[i] = 0.9 * momentum[i] + 0.01 * g.numpy() / np.sqrt(
                square[i] + 1e-3
            )
            v.assign_sub(momentum[i])
            average[i] = decay * average[i] + (1 - decay) * v.numpy()
    return [v.numpy() for v in variables], average, float(loss)


def test_five_steps_equal_numpy():
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    student, average, optimizer, _ = train(strategy, 5)
    weights, averages, _ = train_by_hand(5)
    assert int(optimizer.iterations) == 5
    for ours, truth in zip(student.weights, weights, strict=True):
        np.testing.assert_allclose(ours, truth, atol=1e-6)
    for ours, truth in zip(average.weights, averages, strict=True):
        np.testing.assert_allclose(ours, truth, atol=1e-6)


def test_two_replicas_equal_one(two_replicas):
    one = train(tf.distribute.OneDeviceStrategy("CPU:0"), 5)
    two = train(two_replicas, 5)
    for index in (0, 1):
        for a, b in zip(one[index].weights, two[index].weights, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    for name, value in one[3].items():
        assert float(value) == pytest.approx(float(two[3][name]), rel=1e-5)


def test_metrics_are_means_over_the_steps_of_a_call():
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    *_, metrics = train(strategy, 3)
    expected = np.mean([train_by_hand(n)[2] for n in (1, 2, 3)])
    assert float(metrics["train/loss"]) == pytest.approx(expected, rel=1e-5)


def noisy_student_gradients(method, batch):
    model = efficientnet.build_model(SMALL)
    probabilities = tf.constant(batch["unlabeled_probabilities"])
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        result = method.compute_losses(
            model,
            None,
            batch | {"unlabeled_probabilities": probabilities},
            tf.constant(0),
        )
        loss = result.terms["ext/loss"].mean()
    return tape.gradient(
        loss, [probabilities, *[v.value for v in model.trainable_variables]]
    )


def test_pseudo_labels_teach_the_student_and_get_no_gradient():
    batch = {
        "image": GENERATOR.integers(0, 256, (2, 16, 16, 3), np.uint8),
        "label": np.array([0, 1]),
        "label_weight": np.ones(2, np.float32),
        "unlabeled_image": GENERATOR.integers(0, 256, (4, 16, 16, 3), np.uint8),
        "unlabeled_label": np.array([0, 1, 2, 2]),
        "unlabeled_probabilities": GENERATOR.dirichlet(np.ones(3), 4).astype(
            np.float32
        ),
        "unlabeled_weight": np.ones(4, np.float32),
    }
    teacher, *student = noisy_student_gradients(
        noisy_student.NoisyStudent(0.0, 1.0, 1.0), batch
    )
    assert teacher is None
    norms = [float(tf.norm(gradient)) for gradient in student]
    assert np.mean(np.array(norms) > 0) > 0.9


def small_step(config=SMALL, teacher=None, seed=0, method=None, optimizer=None):
    """A step on EfficientNets, of Noisy Student by default."""
    keras.utils.set_random_seed(seed)
    student, average = (efficientnet.build_model(config) for _ in range(2))
    averaging.start(average, student)
    optimizer = optimizer or optimizers.RMSprop(0.01)
    optimizer.build(student.trainable_variables)
    method = method or noisy_student.NoisyStudent(0.1, 1.0, 1.0, teacher)
    return loop.TrainLoop(method, student, average, optimizer, SETTINGS)


def image_batch(num_unlabeled=4):
    generator = np.random.default_rng(1)

    def images(count):
        shape = (count, 16, 16, 3)
        return tf.constant(generator.integers(0, 256, shape, np.uint8))

    probabilities = generator.dirichlet(np.ones(3), num_unlabeled)
    return {
        "image": images(2),
        "label": tf.constant([0, 1]),
        "label_weight": tf.ones(2),
        "unlabeled_image": images(num_unlabeled),
        "unlabeled_label": tf.constant(probabilities.argmax(axis=1)),
        "unlabeled_probabilities": tf.constant(probabilities, tf.float32),
        "unlabeled_weight": tf.ones(num_unlabeled),
        "teacher_image": images(num_unlabeled),
        "second_image": images(2),
        "unlabeled_second_image": images(num_unlabeled),
    }


def test_frozen_weights_stay_as_they_are_to_the_bit():
    trained = small_step(dataclasses.replace(SMALL, fix_layer_num=2))
    models = (trained.student, trained.average)
    before = [[w.numpy() for w in model.weights] for model in models]
    run = tf.function(trained.step)
    for _ in range(3):
        run(image_batch())
    frozen = ("stem/", "blocks_0/", "blocks_1/")
    for model, olds in zip(models, before, strict=True):
        for old, new in zip(olds, model.weights, strict=True):
            same = np.array_equal(old, new)
            assert same == new.path.startswith(frozen), new.path


@pytest.mark.slow
def test_the_teacher_is_not_trained():
    teacher = efficientnet.build_model(SMALL)
    teacher.trainable = False
    before = teacher.get_weights()
    trained = small_step(teacher=teacher)
    batch = image_batch()
    # Nothing but the teacher decides the targets, and it has no noise.
    with tf.GradientTape() as tape:
        tape.watch(batch["teacher_image"])
        values = [v.value for v in teacher.weights]
        tape.watch(values)
        result = trained.method.compute_losses(
            trained.student, None, batch, tf.constant(0)
        )
        loss = result.terms["ext/loss"].mean()
    assert not any(g is not None for g in tape.gradient(loss, values))
    targets = tf.nn.softmax(teacher(batch["teacher_image"], training=False))
    confidence = tf.reduce_mean(tf.reduce_max(targets, axis=1))
    assert float(result.metrics["unl/target_prob"]) == pytest.approx(
        float(confidence), rel=1e-5
    )
    tf.function(trained.step)(batch)
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
def test_replicas_share_their_moving_statistics(two_replicas):
    """Each normalises with its own; all keep the mean of what they saw."""
    batch = image_batch()
    parts = [
        {k: v[i::2] for k, v in batch.items() if k != "teacher_image"}
        for i in range(2)
    ]
    with two_replicas.scope():
        trained = small_step()
        value = two_replicas.experimental_distribute_values_from_function
        shared = value(lambda c: parts[c.replica_id_in_sync_group])
        two_replicas.run(tf.function(trained.step), args=(shared,))
    seen = []
    for part in parts:
        alone = small_step()
        alone.step(part)
        seen.append(alone.student.get_layer("stem").norm.moving_mean.numpy())
    ours = trained.student.get_layer("stem").norm.moving_mean.value
    assert not np.allclose(seen[0], seen[1], atol=1e-4)
    for copy in ours.values:
        np.testing.assert_allclose(copy, np.mean(seen, axis=0), atol=1e-5)
