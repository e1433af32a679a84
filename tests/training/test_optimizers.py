import keras
import numpy as np
import pytest

from noisy_student.config import TrainConfig
from noisy_student.methods import ramps
from noisy_student.training import optimizers, schedules


def test_rmsprop_follows_the_original(fixtures):
    trace = np.load(fixtures / "schedule/rmsprop_trace.npz")
    optimizer = optimizers.RMSprop(0.1)
    variable = keras.Variable(trace["var"][0])
    optimizer.build([variable])
    for step, gradient in enumerate(trace["grads"]):
        optimizer.learning_rate = float(trace["lr"][step])
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        after = step + 1
        np.testing.assert_allclose(variable, trace["var"][after], rtol=1e-5)
        np.testing.assert_allclose(
            optimizer._velocities[0], trace["rms"][after], rtol=1e-5
        )
        np.testing.assert_allclose(
            optimizer._momentums[0], trace["momentum"][after], rtol=1e-4
        )
    assert len(trace["grads"]) == 10


def adam(first=0.9, last=0.5, total=40, down=10):
    ramp = ramps.Ramps(total, 0, down)
    return optimizers.Adam(0.1, first, last, ramp, beta_2=0.99)


def test_adams_beta1_falls_with_the_ramp_down():
    """Against NumPy, beta1 as it is in each step."""
    generator = np.random.default_rng(0)
    start = generator.normal(size=3).astype(np.float32)
    optimizer, variable = adam(), keras.Variable(start)
    optimizer.build([variable])
    value, m, v = start.astype(np.float64), np.zeros(3), np.zeros(3)
    betas = []
    for number in range(40):
        gradient = generator.normal(size=3).astype(np.float32)
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        t = max(0, (number - 30) / 10)
        down = np.exp(-12.5 * t**2)
        beta1 = 0.9 * down + 0.5 * (1 - down)
        betas.append(beta1)
        m = beta1 * m + (1 - beta1) * gradient
        v = 0.99 * v + 0.01 * gradient.astype(np.float64) ** 2
        rate = 0.1 * np.sqrt(1 - 0.99 ** (number + 1))
        rate /= 1 - beta1 ** (number + 1)
        value = value - rate * m / (np.sqrt(v) + 1e-8)
        np.testing.assert_allclose(variable, value, rtol=1e-4, atol=1e-5)
    assert betas[30] == 0.9 and betas[-1] < 0.501


def test_without_a_fall_it_is_keras_adam():
    generator = np.random.default_rng(0)
    ours, theirs = keras.Variable(np.ones(3)), keras.Variable(np.ones(3))
    keras_adam = keras.optimizers.Adam(0.1, 0.9, 0.99, epsilon=1e-8)
    pairs = [(adam(last=0.9), ours), (keras_adam, theirs)]
    for _ in range(40):
        gradient = keras.ops.convert_to_tensor(generator.normal(size=3))
        for optimizer, variable in pairs:
            optimizer.apply([gradient], [variable])
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def made(train, num_labeled):
    learning_rate = schedules.learning_rate(train, num_labeled)
    return optimizers.make_optimizer(train, num_labeled, learning_rate)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rmsprop", optimizers.RMSprop),
        ("adam", optimizers.Adam),
        ("adamw", optimizers.AdamW),
        ("sgd", optimizers.SGD),
    ],
)
def test_the_flags_choose(name, kind):
    train = TrainConfig(
        "supervised",
        optimizer=name,
        learning_rate_schedule="ramps",
        max_learning_rate=0.25,
        train_steps=300,
    )
    optimizer = made(train, num_labeled=100)
    assert type(optimizer) is kind
    optimizer.build([keras.Variable([0.0])])
    optimizer.iterations.assign(100)
    assert float(optimizer.learning_rate) == 0.25


def test_sgd_follows_nesterov():
    """v = 0.9 v - lr g; w = w + 0.9 v - lr g."""
    train = TrainConfig("supervised", optimizer="sgd", warmup_epochs=0)
    optimizer = made(train, num_labeled=100_000)
    rate = float(optimizer.learning_rate)
    variable = keras.Variable([1.0])
    value, velocity = 1.0, 0.0
    for gradient in (0.5, -1.0, 2.0):
        optimizer.apply([keras.ops.convert_to_tensor([gradient])], [variable])
        velocity = 0.9 * velocity - rate * gradient
        value += 0.9 * velocity - rate * gradient
        assert float(variable[0]) == pytest.approx(value, rel=1e-5)


def test_adamw_is_keras_adamw_but_for_batch_norm():
    generator = np.random.default_rng(0)
    train = TrainConfig(
        "supervised", optimizer="adamw", weight_decay=0.1, warmup_epochs=0
    )
    ours = optimizers.make_optimizer(train, 100_000, 0.05)
    theirs = keras.optimizers.AdamW(0.05, weight_decay=0.1, epsilon=1e-8)
    theirs.exclude_from_weight_decay(var_names=["gamma"])

    def variables():
        names = ("kernel", "gamma")
        return [keras.Variable(np.ones(3), name=name) for name in names]

    left, right = variables(), variables()
    for _ in range(10):
        gradients = [
            keras.ops.convert_to_tensor(generator.normal(size=3), "float32")
            for _ in left
        ]
        ours.apply(gradients, left)
        theirs.apply(gradients, right)
    for one, other in zip(left, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert train.loss_weight_decay == 0  # else it would decay twice


@pytest.mark.parametrize("name", ["adamw", "sgd", "rmsprop"])
def test_the_head_learns_faster(name):
    """As if its learning rate were another; a failed step changes nothing."""
    train = TrainConfig("supervised", optimizer=name, warmup_epochs=0)
    trunk, head, alone = (
        keras.Variable([1.0, -2.0], name="kernel") for _ in range(3)
    )
    optimizer, fast = (
        optimizers.make_optimizer(train, 100_000, rate) for rate in (0.01, 0.1)
    )
    optimizer.build([trunk, head])
    optimizer.scale_rates([head], 10.0)
    for step in range(5):
        gradient = keras.ops.convert_to_tensor([0.5, step - 1.0])
        optimizer.apply([gradient, gradient], [trunk, head])
        fast.apply([gradient], [alone])
    np.testing.assert_allclose(head, alone, rtol=1e-6)
    assert not np.allclose(trunk, alone)
    before = head.numpy()
    broken = keras.ops.convert_to_tensor([0.5, float("nan")])
    optimizer.apply([gradient, broken], [trunk, head])
    np.testing.assert_array_equal(head, before)
