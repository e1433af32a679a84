"""A noised teacher: its images, its dropout, its norms, its seeds."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import models, pseudo_labels
from noisy_student.config import NoiseConfig
from noisy_student.data import decoding, plain, sources, views
from noisy_student.models import batch_norm, dropout
from tests.pseudo_labels.flat import MADE_FROM, files_in

SIDE, CHUNK = 16, 8
SHIFTS_ALONE = NoiseConfig("none")
RAND_AUGMENT = NoiseConfig("none", unl_aug="v1", randaug_mag=5)
FLAT = np.full((SIDE, SIDE, 3), 90, np.uint8)
# Red tells a pixel's column, green its row, in units of 8.
ROWS, COLUMNS = 8 * np.mgrid[:SIDE, :SIDE]
PLACES = np.stack([COLUMNS, ROWS, 0 * ROWS], axis=2).astype(np.uint8)


def source_of(images, broken=()):
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    for number in broken:
        encoded[number] = b"not an image"
    return sources.ImageSource(
        len(encoded),
        lambda: tf.data.Dataset.from_tensor_slices(
            {
                "encoded": encoded,
                "label": np.zeros(len(encoded), np.int64),
                "index": np.arange(len(encoded)),
            }
        ),
        "a test",
    )


def spec_of(noise, flip=False, small=True, side=SIDE):
    image_format = views.ImageFormat(side, small=small, horizontal_flip=flip)
    return views.BatchSpec(image_format, noise.of_unlabeled(), CHUNK, 0)


def noised(model, noise=SHIFTS_ALONE, seed=0, batch_size=4, flip=False):
    batches = functools.partial(
        plain.noised_images,
        spec=spec_of(noise, flip),
        warnings=decoding.SkipWarnings(),
    )
    return pseudo_labels.NoisedPredictor(model, batches, batch_size, seed)


def predict(predictor, source, share=(0, 0)):
    rows = predictor.of_share(source, pseudo_labels.Share(*share))
    return np.concatenate(list(rows))


def model_of(*layers):
    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), *layers])


def of_the_centre():
    """Logits (red, green, blue) / 32 of the pixel at row 8 and column 8."""
    cropping = keras.layers.Cropping2D(((8, 7), (8, 7)))
    flatten = keras.layers.Flatten()
    return model_of(cropping, flatten, keras.layers.Rescaling(1 / 32))


def softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("flip", [False, True])
def test_images_are_shifted_and_mirrored_as_in_training(flip):
    count = 1000
    source = source_of([PLACES] * count)
    found = predict(noised(of_the_centre(), flip=flip, batch_size=50), source)
    # Up to an eighth of the side, each alike; mirrored, column 8 was column 7.
    columns = [8 + d for d in range(-2, 3)]
    columns += [7 - d for d in range(-2, 3)] if flip else []
    places = [*itertools.product(columns, (8 + d for d in range(-2, 3)))]
    truth = softmax(np.array([[c / 4, r / 4, 0] for c, r in places]))
    np.testing.assert_allclose(
        found.mean(axis=0), truth.mean(axis=0), atol=0.02
    )
    distances = np.abs(found[:, None] - np.unique(truth, axis=0)).max(axis=2)
    assert distances.min(axis=1).max() < 1e-5  # nothing else comes
    assert len(np.unique(distances.argmin(axis=1))) == len({*places})


def of_dropped_units():
    """Logits (drop(red), drop(green), 0) / 90; rates 0.25 and 0.5."""
    images = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 90)(images)
    red, green, blue = (x[..., i : i + 1] for i in range(3))
    red = dropout.Dropout(0.25)(keras.layers.GlobalMaxPooling2D()(red))
    green = dropout.StochasticDepth(0.5)(green)
    green = keras.layers.GlobalMaxPooling2D()(green)
    blue = keras.layers.GlobalMaxPooling2D()(blue) * 0.0
    return keras.Model(images, keras.ops.concatenate([red, green, blue], 1))


def test_dropout_and_stochastic_depth_are_on():
    found = predict(
        noised(of_dropped_units(), batch_size=50), source_of([FLAT] * 1000)
    )
    rates = {0.0: 0.25, 1 / 0.75: 0.75}, {0.0: 0.5, 2.0: 0.5}
    for (red, p), (green, q) in itertools.product(*(r.items() for r in rates)):
        is_it = np.isclose(found, softmax(np.array([red, green, 0]))).all(1)
        sigma = (p * q * (1 - p * q) / 1000) ** 0.5
        assert abs(is_it.mean() - p * q) < 4 * sigma


@pytest.mark.parametrize(
    "norm", [keras.layers.BatchNormalization, batch_norm.BatchNormalization]
)
def test_norms_keep_and_use_their_statistics(norm):
    layer = norm(epsilon=1e-3)
    model = model_of(
        layer, keras.layers.GlobalAveragePooling2D(), dropout.Dropout(0.0)
    )
    gamma, beta, mean, variance = given = [
        np.array(values, np.float32)
        for values in ([1, 2, 3], [0, 1, 0], [80, 70, 60], [99, 400, 900])
    ]
    model.set_weights(given)
    found = predict(noised(model), source_of([FLAT] * 6))
    truth = gamma * (90 - mean) / np.sqrt(variance + 1e-3) + beta
    np.testing.assert_allclose(found, softmax(truth)[None].repeat(6, 0), 1e-4)
    for old, new in zip(given, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def random_images(count):
    shape = (count, SIDE, SIDE, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def random_model():
    keras.utils.set_random_seed(0)
    return model_of(
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(4, 3, 2, activation="relu"),
        keras.layers.Flatten(),
        dropout.Dropout(0.5),
        keras.layers.Dropout(0.1),
        keras.layers.Dense(3),
    )


def write(directory, shares, seed=0):
    """Predicts some shares, as a process of its own does; their bytes."""
    files = files_in(directory, num_shards=3, total_replicas=2)
    shares = files.shares()[shares]
    pseudo_labels.predict(
        noised(random_model(), seed=seed),
        source_of(random_images(23)),
        files,
        shares,
        MADE_FROM,
    )
    return [files.predictions(share).read_bytes() for share in shares]


def test_shares_depend_on_the_seed_alone(tmp_path):
    whole = write(tmp_path / "whole", slice(0, 3))
    last = write(tmp_path / "killed", slice(2, 3))
    assert write(tmp_path / "resumed", slice(0, 2)) + last == whole
    [other] = write(tmp_path / "other", slice(0, 1), seed=1)
    assert other != whole[0]
    # Equal images of two shares have noise of their own.
    predictor = noised(random_model())
    source = source_of([PLACES] * 5)
    first, second = (predict(predictor, source, (0, w)) for w in (0, 1))
    assert (np.abs(first - second).max(axis=1) > 1e-4).all()


def test_noise_changes_what_is_predicted():
    model, images = random_model(), random_images(6)
    quiet = softmax(model(images, training=False).numpy())
    found = predict(noised(model), source_of(images))
    assert (np.abs(found - quiet).max(axis=1) > 1e-3).all()


def without_dropout(strategy, batch_size, images, broken=()):
    with strategy.scope():
        model = random_model()
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        predictor = noised(model, RAND_AUGMENT, batch_size=batch_size)
        return predict(predictor, source_of(images, broken))


def test_an_images_noise_is_the_same_on_any_replicas(two_replicas):
    images = random_images(21)
    one = tf.distribute.OneDeviceStrategy("CPU:0")
    truth = without_dropout(one, 5, images)
    found = without_dropout(two_replicas, 8, images, broken=[20])
    np.testing.assert_allclose(found[:20], truth[:20], rtol=1e-4)
    assert (found[20] == 0).all()


def test_replicas_drop_other_units(two_replicas):
    source = source_of([FLAT] * 64)
    with two_replicas.scope():
        model = of_dropped_units()
        predictor = noised(model, batch_size=64)
        found = predict(predictor, source)
        again = predict(predictor, source)
    np.testing.assert_array_equal(found, again)
    assert not np.array_equal(found[:32], found[32:])
    assert len(np.unique(found.round(4), axis=0)) == 4
    assert len(models.random_states(model)) == 2


def test_large_images_are_cropped_at_random():
    spec = spec_of(SHIFTS_ALONE, small=False, side=24)
    large = np.stack([5 * np.mgrid[:48, :48][1]] * 3, axis=2).astype(np.uint8)
    [batch] = plain.noised_images(
        source_of([large] * 12), spec, 12, 0, decoding.SkipWarnings()
    )
    images = batch["image"].numpy()
    assert images.shape == (12, 24, 24, 3) and images.dtype == np.uint8
    # The columns of a crop are a part of the ramp.
    widths = images[:, 0, -1, 0].astype(int) - images[:, 0, 0, 0]
    assert len(np.unique(widths)) > 6 and widths.min() > 0
    np.testing.assert_array_equal(batch["row"], np.arange(12))
