"""Noise on the host, compiled or not, and in the step is the same."""

import dataclasses
import hashlib

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import NoiseConfig
from noisy_student.data import noised, pipelines, views
from noisy_student.noise import FORMS
from tests.data.images import (
    LARGE,
    PLAIN,
    SMALL,
    make_photo_source,
    take,
)

# What the noise made of an image when it was new. A run that goes on after a
# change of the program must meet the same.
DIGESTS = {SMALL: "3342d0b68df5f2ea", LARGE: "7cf1e4335d5477e8"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("image_format", [SMALL, LARGE], ids=["small", "large"])
def test_the_noise_of_a_seed_never_changes(image_format, form):
    shape = (32, image_format.side, image_format.side, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    config = NoiseConfig("v1", randaug_mag=15)
    add_noise = noised.batch_noise(image_format, config, form)
    seeds = noised.view_seeds(tf.constant([3, 7], tf.int64))
    result = add_noise(tf.constant(images), seeds)
    digest = hashlib.sha256(result.numpy().tobytes()).hexdigest()
    assert digest.startswith(DIGESTS[image_format])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("image_format", "size"),
    # Two chunks, and one.
    [pytest.param(SMALL, 128, id="small"), pytest.param(LARGE, 8, id="large")],
)
def test_the_step_makes_of_a_batch_what_the_host_makes(image_format, size):
    spec = pipelines.BatchSpec(
        image_format,
        # Without RandAugment XLA compiles sooner, and flips and shifts are
        # drawn for a whole chunk.
        NoiseConfig("none"),
        size,
        seed=3,
        teacher_side=image_format.side,
        second_view=True,
    )
    source = make_photo_source(side=40)

    def batches(form):
        form_spec = dataclasses.replace(spec, noise_form=form)
        keys = ["image", "second_image", "teacher_image", "unlabeled_image"]
        keys += ["unlabeled_second_image", "label"]
        return pipelines.training_batches(
            source, source, form_spec, size // 2, keys
        )

    prepare = noised.in_step(image_format, spec.noise)
    [expected] = take(batches("uncompiled"), 1)
    travelling = next(iter(batches("device")))
    for step in (prepare, tf.function(prepare, jit_compile=True)):
        made = step(travelling)
        assert made.keys() == expected.keys()
        for key, values in expected.items():
            assert made[key].shape == values.shape
            np.testing.assert_array_equal(made[key], values, key)
    differs = (travelling["image"] != expected["image"]).numpy()
    assert differs.any(axis=(1, 2, 3)).mean() > 0.3


def test_in_the_step_some_images_may_have_no_noise():
    """Labelled ones of a fine-tuning, and unlabelled ones of other noise."""
    noise = NoiseConfig("none", remove_aug=True, unl_aug="none")
    spec = pipelines.BatchSpec(SMALL, noise, 8, seed=0, noise_form="device")
    source = make_photo_source(side=40)
    keys = ["image", "unlabeled_image"]
    dataset = pipelines.training_batches(source, source, spec, 8, keys)
    assert set(dataset.element_spec) == {*keys, "unlabeled_noise_seed"}
    batch = next(iter(dataset))
    made = noised.in_step(SMALL, noise)(batch)
    np.testing.assert_array_equal(made["image"], batch["image"])
    assert (made["unlabeled_image"] != batch["unlabeled_image"]).numpy().any()


def test_the_limits_of_small_and_large_images():
    config = NoiseConfig("v1", randaug_mag=7, cutout_op=False)
    small = noised.rand_augment(SMALL, config).policy
    assert (small.translate_limit, small.cutout_limit) == (2, 2)
    large = noised.rand_augment(LARGE, config).policy
    assert (large.translate_limit, large.cutout_limit) == (100, 40)
    assert small.magnitude == large.magnitude == 7
    assert not small.use_cutout and not large.use_cutout


@pytest.mark.parametrize(("side", "scale"), [(112, 0.5), (224, 1), (300, 1)])
def test_limits_may_scale_with_the_side(side, scale):
    config = NoiseConfig("v1", randaug_scale_with_side=True)
    policy = noised.rand_augment(
        dataclasses.replace(LARGE, side=side), config
    ).policy
    assert policy.translate_limit == 100 * scale
    assert policy.cutout_limit == 40 * scale
    small = noised.rand_augment(SMALL, config).policy
    assert (small.translate_limit, small.cutout_limit) == (2, 2)


def test_small_images_lose_a_square_and_large_ones_none():
    flat = tf.fill([64, 16, 16, 3], tf.constant(9, tf.uint8))
    none = NoiseConfig("v1", randaug_layer=0)
    seeds = noised.view_seeds(tf.constant([1, 2], tf.int64))
    small = noised.batch_noise(SMALL, none)(flat, seeds)
    share = (small.numpy() == 128).mean(axis=(1, 2, 3))
    # Half the side, some of it outside, some reflected back in.
    assert 0.05 < share.mean() < 0.4 and share.max() <= 0.5
    large = noised.batch_noise(LARGE, none)(flat, seeds)
    np.testing.assert_array_equal(large, flat)


def test_large_images_are_flipped_before_the_augmentation():
    config = NoiseConfig("v1", randaug_layer=1)
    seen = []

    def remember(image_format, config, form):
        return lambda images, seed: seen.append(images) or images

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noised, "_augmentation", remember)
        noise = noised.batch_noise.__wrapped__(LARGE, config, "uncompiled")
    ramp = np.broadcast_to(np.arange(24)[:, None], (64, 24, 24, 3))
    seeds = noised.view_seeds(tf.constant([1, 2], tf.int64))
    noise(tf.constant(ramp, tf.uint8), seeds)
    mirrored = seen[0].numpy()[:, 0, 0, 0] == 23
    assert 12 < mirrored.sum() < 52


@pytest.mark.slow
def test_keras_cvs_noise():
    noise = NoiseConfig("keras_cv", randaug_mag=15)
    form = views.ImageFormat(side=32, small=True, horizontal_flip=False)
    source = make_photo_source(side=32)

    def batch_with(noise):
        batches = pipelines.BatchSpec(form, noise, 8, seed=0)
        dataset = pipelines.labeled_images(source, batches)
        assert dataset.element_spec["image"] == tf.TensorSpec(
            [8, 32, 32, 3], tf.uint8
        )
        return take(dataset, 1)[0]["image"]

    # The same shifts, and in the one more than the cut-out's quarter differs.
    differs = (batch_with(noise) != batch_with(PLAIN)).any(axis=-1)
    assert (differs.mean(axis=(1, 2)) > 0.5).sum() > 4
