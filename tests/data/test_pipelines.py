import numpy as np
import pytest
import tensorflow as tf
from absl import logging

from noisy_student.config import InputConfig, NoiseConfig
from noisy_student.data import (
    batching,
    decoding,
    pipelines,
    records,
    sources,
    views,
)
from noisy_student.errors import InputError

PLAIN = NoiseConfig("none")
NOISED = NoiseConfig("v1", randaug_mag=5)
SMALL = views.ImageFormat(side=16, small=True, horizontal_flip=True)
LARGE = views.ImageFormat(side=24, small=False, horizontal_flip=True)


def make_source(count=10, side=16, broken=()):
    """Images whose pixels are all ten times their number."""
    images = [np.full((side, side, 3), 10 * i, np.uint8) for i in range(count)]
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    for number in broken:
        encoded[number] = encoded[number][:60]
    return sources.ImageSource(
        count,
        lambda: tf.data.Dataset.from_tensor_slices(
            {
                "encoded": encoded,
                "label": np.arange(count, dtype=np.int64),
                "index": np.arange(count, dtype=np.int64),
            }
        ),
        "a test",
    )


def take(dataset, count):
    return list(dataset.take(count).as_numpy_iterator())


def labeled(
    image_format=SMALL, noise=PLAIN, seed=0, start_step=0, batch=4, **options
):
    batches = pipelines.NoisedBatches(
        image_format, noise, batch, seed, start_step, **options
    )
    return pipelines.labeled_images(make_source(), batches)


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_batches_have_the_promised_form(image_format):
    dataset = labeled(image_format, NOISED)
    side = image_format.side
    assert dataset.element_spec["image"].shape == (4, side, side, 3)
    batch = take(dataset, 1)[0]
    assert sorted(batch) == ["image", "label"]
    assert batch["image"].dtype == np.uint8
    assert batch["label"].dtype == np.int64 and batch["label"].shape == (4,)


def test_images_keep_their_labels_through_shuffling():
    # Crops of flat images are flat.
    for batch in take(labeled(), 5):
        expected = 10 * batch["label"][:, None, None, None]
        np.testing.assert_array_equal(
            batch["image"], expected + 0 * batch["image"]
        )


def test_every_epoch_is_a_permutation_and_each_another():
    labels = np.concatenate([b["label"] for b in take(labeled(batch=5), 8)])
    epochs = labels.reshape(4, 10)
    for epoch in epochs:
        assert sorted(epoch) == list(range(10))
    assert len({tuple(epoch) for epoch in epochs}) == 4


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_a_later_start_yields_what_would_have_come(image_format):
    whole = take(labeled(image_format, NOISED), 8)
    for start in (1, 3, 5):
        rest = take(labeled(image_format, NOISED, start_step=start), 3)
        for early, late in zip(whole[start:], rest, strict=False):
            np.testing.assert_array_equal(early["label"], late["label"])
            np.testing.assert_array_equal(early["image"], late["image"])


def test_the_seed_decides():
    first, same, other = (
        np.concatenate([b["label"] for b in take(labeled(seed=seed), 5)])
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_noise_is_new_in_every_epoch_and_for_every_image():
    def noised(start):
        noise = NoiseConfig("v1", randaug_mag=10)
        batches = pipelines.NoisedBatches(SMALL, noise, 8, 0, start)
        return take(pipelines.labeled_images(photo, batches), 1)[0]["image"]

    photo = make_photo_source()
    first, second = noised(0), noised(1)
    assert len({image.tobytes() for image in first}) > 4
    assert not np.array_equal(first, second)


def make_photo_source(side=16):
    shape = (side, side, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    encoded = tf.io.encode_png(pixels).numpy()
    return sources.ImageSource(
        8,
        lambda: tf.data.Dataset.from_tensor_slices(
            {
                "encoded": [encoded] * 8,
                "label": np.zeros(8, np.int64),
                "index": np.arange(8),
            }
        ),
        "a test",
    )


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


def test_plain_images_come_once_in_order_and_padded():
    dataset = pipelines.plain_images(make_source(10), SMALL, 4)
    batches = take(dataset, 100)
    weights = np.concatenate([batch["weight"] for batch in batches])
    labels = np.concatenate([batch["label"] for batch in batches])
    assert weights.tolist() == [1.0] * 10 + [0.0] * 2
    assert labels[:10].tolist() == list(range(10))
    assert dataset.element_spec["image"].shape == (4, 16, 16, 3)


def test_images_of_another_size_are_resized():
    batch = take(pipelines.plain_images(make_source(2, 20), SMALL, 2), 1)[0]
    assert batch["image"].shape == (2, 16, 16, 3)
    assert (batch["image"][1] == 10).all()


def write_records(path, source, num_classes=3):
    """Pseudo-labelled records of a source; returns their probabilities."""
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(num_classes), source.num_images)
    with records.shard_writer(path) as writer:
        for row, example in zip(
            probabilities, source.read().as_numpy_iterator(), strict=True
        ):
            writer.write(
                records.encode_pseudo_labeled(
                    example["encoded"], int(row.argmax()), row
                )
            )
    return probabilities


def unlabeled(path, batches):
    return pipelines.pseudo_labeled_images([str(path)], 10, 3, batches)


def test_pseudo_labelled_records_come_back(tmp_path):
    probabilities = write_records(tmp_path / "train-0", make_source())
    batches = pipelines.NoisedBatches(SMALL, PLAIN, 5, seed=0)
    seen = []
    for batch in take(unlabeled(tmp_path / "train-0", batches), 2):
        assert sorted(batch) == [
            "unlabeled_image",
            "unlabeled_label",
            "unlabeled_probabilities",
        ]
        numbers = batch["unlabeled_image"][:, 0, 0, 0] // 10
        seen.extend(numbers)
        np.testing.assert_allclose(
            batch["unlabeled_probabilities"], probabilities[numbers], rtol=1e-6
        )
        np.testing.assert_array_equal(
            batch["unlabeled_label"], probabilities[numbers].argmax(axis=1)
        )
    assert sorted(seen) == list(range(10))


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


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_threads_and_cache_change_nothing(image_format):
    expected = take(labeled(image_format, NOISED), 6)
    for options in (
        InputConfig(num_parallel_calls=1),
        InputConfig(num_parallel_calls=4),
        InputConfig(cache_mib=0),
    ):
        batches = take(labeled(image_format, NOISED, input=options), 6)
        for ours, theirs in zip(batches, expected, strict=True):
            np.testing.assert_array_equal(ours["image"], theirs["image"])
            np.testing.assert_array_equal(ours["label"], theirs["label"])


def test_the_shuffle_buffer_bounds_how_far_images_move():
    options = InputConfig(shuffle_buffer_size=2)
    batch = take(labeled(batch=10, input=options), 1)[0]
    # With a buffer of n, an image comes at most n - 1 places early.
    places = np.arange(10)
    assert (batch["label"] - places <= 1).all()
    assert (batch["label"] != places).any()


@pytest.mark.parametrize("size", [1, 7, 64, 97, 130, 200, 256, 2048])
def test_chunks_divide_the_batch(size):
    chunk = batching.chunk_size(size)
    assert size % chunk == 0
    assert chunk == size or 16 <= chunk <= 64


def test_large_batches_are_whole():
    batches = pipelines.NoisedBatches(SMALL, PLAIN, 128, seed=0)
    dataset = pipelines.labeled_images(make_source(), batches)
    for batch in take(dataset, 3):
        assert batch["image"].shape == (128, 16, 16, 3)
        np.testing.assert_array_equal(
            batch["image"][:, 0, 0, 0], 10 * batch["label"]
        )


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_a_broken_labelled_image_is_named(image_format):
    source = make_source(broken=[3])
    batches = pipelines.NoisedBatches(image_format, PLAIN, 5, seed=0)
    for dataset in (
        pipelines.labeled_images(source, batches),
        pipelines.plain_images(source, image_format, 5),
    ):
        with (
            pytest.raises(InputError, match=r"^image 3 of a test cannot be"),
            decoding.input_errors(),
        ):
            take(dataset, 2)


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_a_broken_unlabelled_record_is_skipped_and_named(
    tmp_path, image_format, monkeypatch
):
    lines = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: lines.append(text % args)
    )
    path = tmp_path / "train-0"
    write_records(path, make_source(broken=[3, 8]))
    batches = pipelines.NoisedBatches(image_format, PLAIN, 5, seed=0)
    seen = []
    for batch in take(unlabeled(path, batches), 4):
        assert batch["unlabeled_image"].shape[0] == 5
        seen.extend(batch["unlabeled_image"][:, 0, 0, 0] // 10)
    assert set(seen) == {0, 1, 2, 4, 5, 6, 7, 9}
    assert sorted(line.split(" cannot")[0] for line in lines) == [
        f"record 3 of {path}",
        f"record 8 of {path}",
    ]
