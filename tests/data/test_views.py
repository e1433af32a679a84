"""What of an image training, the teacher and evaluation see."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import InputConfig, NoiseConfig
from noisy_student.data import pipelines, plain, sources, views
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

VIEWS = ("image", "second_image")


def test_noise_is_new_in_every_epoch_and_for_every_image():
    def noised(start):
        noise = NoiseConfig("v1", randaug_mag=10)
        batches = pipelines.BatchSpec(SMALL, noise, 8, 0, start)
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
        batches = pipelines.BatchSpec(form, PLAIN, 64, 0)
        batch = take(pipelines.labeled_images(source, batches), 1)
        middle = batch[0]["image"][:, 8, 4:12, 0].astype(int)
        mirrored = (np.diff(middle, axis=1) < 0).all(axis=1)
        assert mirrored.any() == flip
        if flip:
            assert 12 < mirrored.sum() < 52


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_the_teacher_sees_the_same_images_without_noise(tmp_path, image_format):
    probabilities = write_records(tmp_path / "train-0", make_source(side=40))
    noise = NoiseConfig("v1", randaug_mag=10)
    batches = pipelines.BatchSpec(
        image_format, noise, 10, seed=0, teacher_side=image_format.side
    )
    dataset = unlabeled(tmp_path / "train-0", batches)
    side = image_format.side
    assert dataset.element_spec["teacher_image"].shape == (10, side, side, 3)
    batch = take(dataset, 1)[0]
    # Images are flat, so the teacher's are too, and each is the student's.
    teacher = batch["teacher_image"]
    assert (teacher == teacher[:, :1, :1, :1]).all()
    numbers = teacher[:, 0, 0, 0] // 10
    assert sorted(numbers) == list(range(10))
    np.testing.assert_allclose(
        batch["unlabeled_probabilities"], probabilities[numbers], rtol=1e-6
    )
    assert (teacher != batch["unlabeled_image"]).any(axis=(1, 2, 3)).sum() > 2


@pytest.mark.parametrize(
    ("image_format", "cache_mib"),
    [
        (SMALL, 1),
        pytest.param(LARGE, 0, marks=pytest.mark.slow),
        pytest.param(SMALL, 0, marks=pytest.mark.slow),
        pytest.param(LARGE, 1, marks=pytest.mark.slow),
    ],
)
def test_a_second_view_is_the_same_image_under_other_noise(
    image_format, cache_mib
):
    batches = pipelines.BatchSpec(
        image_format,
        # A translation by 20 pixels; one by more leaves two views of grey.
        NoiseConfig("v1", randaug_mag=2),
        10,
        seed=0,
        second_view=True,
        input=InputConfig(cache_mib=cache_mib),
    )
    photo = make_photo_source(side=40)
    for dataset, name in (
        (pipelines.labeled_images(photo, batches), "{}"),
        (pipelines.unlabeled_images(photo, batches), "unlabeled_{}"),
    ):
        batch = take(dataset, 1)[0]
        first, second = (batch[name.format(k)] for k in VIEWS)
        assert first.shape == second.shape
        assert (first != second).any(axis=(1, 2, 3)).sum() >= 9
    one_view = dataclasses.replace(batches, second_view=False)
    alone = take(pipelines.unlabeled_images(photo, one_view), 1)[0]
    # A method with two views sees in the first what others see.
    np.testing.assert_array_equal(alone["unlabeled_image"], first)
    # Flat images say which image it is.
    noise = dataclasses.replace(batches, noise=PLAIN)
    batch = take(pipelines.labeled_images(make_source(side=40), noise), 1)[0]
    np.testing.assert_array_equal(batch["image"], batch["second_image"])
    assert len(np.unique(batch["image"][:, 0, 0, 0])) == 10


def test_without_noise_both_views_are_the_image():
    noise = NoiseConfig("v1", remove_aug=True)
    batches = pipelines.BatchSpec(LARGE, noise, 8, 0, second_view=True)
    photo = make_photo_source(side=40)
    batch = take(pipelines.labeled_images(photo, batches), 1)[0]
    np.testing.assert_array_equal(batch["image"], batch["second_image"])


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
@pytest.mark.parametrize("side", [24, 28])
def test_the_teachers_image_is_the_evaluations(tmp_path, image_format, side):
    """Also at another resolution than the student's."""
    source = make_photo_source(side=40)
    write_records(tmp_path / "train-0", source)
    options = InputConfig(shuffle_buffer_size=1)
    batches = pipelines.BatchSpec(
        image_format, NOISED, 4, seed=0, teacher_side=side, input=options
    )
    batch = take(unlabeled(tmp_path / "train-0", batches), 1)[0]
    teachers = dataclasses.replace(image_format, side=side)
    [expected] = take(plain.plain_images(source, teachers, 8), 1)
    np.testing.assert_array_equal(batch["teacher_image"], expected["image"][:4])


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_removed_augmentation_shows_what_evaluation_sees(image_format):
    noise = NoiseConfig("v1", remove_aug=True)
    source = make_photo_source(side=40)
    batches = pipelines.BatchSpec(image_format, noise, 8, seed=0)
    batch = take(pipelines.labeled_images(source, batches), 1)[0]
    [expected] = take(plain.plain_images(source, image_format, 8), 1)
    np.testing.assert_array_equal(batch["image"], expected["image"])


@pytest.mark.slow
def test_unlabelled_images_may_have_another_noise(tmp_path):
    write_records(tmp_path / "train-0", make_source())

    def is_flat(dataset, key):
        images = np.concatenate([batch[key] for batch in take(dataset, 4)])
        return (images == images[:, :1, :1, :1]).all()

    for noise, flat_labeled, flat_unlabeled in (
        (NoiseConfig("none", unl_aug="v1"), True, False),
        (NoiseConfig("v1", unl_aug="none"), False, True),
    ):
        batches = pipelines.BatchSpec(SMALL, noise, 10, seed=0)
        dataset = unlabeled(tmp_path / "train-0", batches)
        assert is_flat(dataset, "unlabeled_image") == flat_unlabeled
        assert is_flat(labeled(noise=noise), "image") == flat_labeled


def test_images_of_another_size_are_resized():
    batch = take(plain.plain_images(make_source(2, 20), SMALL, 2), 1)[0]
    assert batch["image"].shape == (2, 16, 16, 3)
    assert (batch["image"][1] == 10).all()


def test_the_seed_decides_the_noise():
    source = make_photo_source()

    def images(seed):
        batches = pipelines.BatchSpec(SMALL, NOISED, 8, seed)
        dataset = pipelines.labeled_images(source, batches)
        return take(dataset, 1)[0]["image"]

    np.testing.assert_array_equal(images(0), images(0))
    assert (images(0) != images(1)).any(axis=(1, 2, 3)).sum() > 4


def test_labelled_and_unlabelled_images_have_noise_of_their_own(tmp_path):
    source = make_photo_source()
    write_records(tmp_path / "train-0", source)
    batches = pipelines.BatchSpec(SMALL, NOISED, 8, seed=0)
    [one] = take(pipelines.labeled_images(source, batches), 1)
    [other] = take(unlabeled(tmp_path / "train-0", batches), 1)
    differ = one["image"] != other["unlabeled_image"]
    assert differ.any(axis=(1, 2, 3)).sum() > 4


@pytest.mark.parametrize(("cache_mib", "most"), [(1, 16), (0, 1000)])
def test_a_source_that_fits_is_read_once(cache_mib, most):
    reads = []
    source = make_photo_source()

    def read():
        def count(index):
            reads.append(index)
            return index

        return source.read().map(
            lambda x: (
                x | {"index": tf.numpy_function(count, [x["index"]], tf.int64)}
            )
        )

    counted = sources.ImageSource(8, read, "counted")
    batches = pipelines.BatchSpec(
        SMALL, PLAIN, 8, seed=0, input=InputConfig(cache_mib=cache_mib)
    )
    take(pipelines.labeled_images(counted, batches), 6)
    assert (len(reads) == 8) == (cache_mib > 0)
    assert len(reads) <= most


@pytest.mark.slow
def test_keras_cv_is_imported_only_where_it_is_asked_for():
    code = (
        "import sys, noisy_student.stages, noisy_student.data.pipelines; "
        "sys.exit('keras_cv' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=400)
