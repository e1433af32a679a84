"""What of an image training, the teacher and evaluation see."""

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import NoiseConfig
from noisy_student.data import pipelines, sources, views
from tests.data.images import (
    LARGE,
    NOISED,
    PLAIN,
    SMALL,
    labeled,
    make_photo_source,
    make_source,
    take,
    unlabeled,
    write_records,
)


def test_noise_is_new_in_every_epoch_and_for_every_image():
    def noised(start):
        noise = NoiseConfig("v1", randaug_mag=10)
        batches = pipelines.NoisedBatches(SMALL, noise, 8, 0, start)
        return take(pipelines.labeled_images(photo, batches), 1)[0]["image"]

    photo = make_photo_source()
    first, second = noised(0), noised(1)
    assert len({image.tobytes() for image in first}) > 4
    assert not np.array_equal(first, second)


def test_flips_only_where_the_task_allows():
    ramp = np.tile(np.arange(16, dtype=np.uint8)[None, :, None], (16, 1, 3))
    encoded = tf.io.encode_png(ramp).numpy()
    source = sources.ImageSource(
        1,
        lambda: tf.data.Dataset.from_tensor_slices(
            {"encoded": [encoded], "label": [0], "index": [0]}
        ),
        "a test",
    )
    for flip in (False, True):
        form = views.ImageFormat(16, True, flip)
        batches = pipelines.NoisedBatches(form, PLAIN, 64, 0)
        batch = take(pipelines.labeled_images(source, batches), 1)
        middle = batch[0]["image"][:, 8, 4:12, 0].astype(int)
        mirrored = (np.diff(middle, axis=1) < 0).all(axis=1)
        assert mirrored.any() == flip
        if flip:
            assert 12 < mirrored.sum() < 52


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_the_teacher_sees_the_same_images_without_noise(tmp_path, image_format):
    write_records(tmp_path / "train-0", make_source(side=40))
    noise = NoiseConfig("v1", randaug_mag=10)
    batches = pipelines.NoisedBatches(
        image_format, noise, 10, seed=0, with_teacher=True
    )
    dataset = unlabeled(tmp_path / "train-0", batches)
    side = image_format.side
    assert dataset.element_spec["teacher_image"].shape == (10, side, side, 3)
    batch = take(dataset, 1)[0]
    # Images are flat, so the teacher's are too, and all are there.
    teacher = batch["teacher_image"]
    assert (teacher == teacher[:, :1, :1, :1]).all()
    assert sorted(teacher[:, 0, 0, 0] // 10) == list(range(10))
    assert (teacher != batch["unlabeled_image"]).any(axis=(1, 2, 3)).sum() > 2


def test_the_teachers_large_image_is_the_evaluations(tmp_path):
    source = make_photo_source(side=40)
    write_records(tmp_path / "train-0", source)
    batches = pipelines.NoisedBatches(
        LARGE, NOISED, 4, seed=0, with_teacher=True
    )
    batch = take(unlabeled(tmp_path / "train-0", batches), 1)[0]
    [expected] = take(pipelines.plain_images(source, LARGE, 8), 1)
    np.testing.assert_array_equal(batch["teacher_image"], expected["image"][:4])


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_removed_augmentation_shows_what_evaluation_sees(image_format):
    noise = NoiseConfig("v1", remove_aug=True)
    source = make_photo_source(side=40)
    batches = pipelines.NoisedBatches(image_format, noise, 8, seed=0)
    batch = take(pipelines.labeled_images(source, batches), 1)[0]
    [expected] = take(pipelines.plain_images(source, image_format, 8), 1)
    np.testing.assert_array_equal(batch["image"], expected["image"])


def test_unlabelled_images_may_have_another_noise(tmp_path):
    write_records(tmp_path / "train-0", make_source())

    def is_flat(dataset, key):
        images = np.concatenate([batch[key] for batch in take(dataset, 4)])
        return (images == images[:, :1, :1, :1]).all()

    for noise, flat_labeled, flat_unlabeled in (
        (NoiseConfig("none", unl_aug="v1"), True, False),
        (NoiseConfig("v1", unl_aug="none"), False, True),
    ):
        batches = pipelines.NoisedBatches(SMALL, noise, 10, seed=0)
        dataset = unlabeled(tmp_path / "train-0", batches)
        assert is_flat(dataset, "unlabeled_image") == flat_unlabeled
        assert is_flat(labeled(noise=noise), "image") == flat_labeled


def test_keras_cvs_noise():
    noise = NoiseConfig("keras_cv", randaug_mag=15)
    form = views.ImageFormat(side=32, small=True, horizontal_flip=False)
    source = make_photo_source(side=32)

    def batch_with(noise):
        batches = pipelines.NoisedBatches(form, noise, 8, seed=0)
        dataset = pipelines.labeled_images(source, batches)
        assert dataset.element_spec["image"] == tf.TensorSpec(
            [8, 32, 32, 3], tf.uint8
        )
        return take(dataset, 1)[0]["image"]

    # The same shifts, and in the one more than the cut-out's quarter differs.
    differs = (batch_with(noise) != batch_with(PLAIN)).any(axis=-1)
    assert (differs.mean(axis=(1, 2)) > 0.5).sum() > 4


def test_images_of_another_size_are_resized():
    batch = take(pipelines.plain_images(make_source(2, 20), SMALL, 2), 1)[0]
    assert batch["image"].shape == (2, 16, 16, 3)
    assert (batch["image"][1] == 10).all()
