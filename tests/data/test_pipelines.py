import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import NoiseConfig
from noisy_student.data import pipelines, records, sources, views

PLAIN = NoiseConfig("none")
NOISED = NoiseConfig("v1", randaug_mag=5)
SMALL = views.ImageFormat(side=16, small=True, horizontal_flip=True)
LARGE = views.ImageFormat(side=24, small=False, horizontal_flip=True)


def make_source(count=10, side=16):
    """Images whose pixels are all ten times their number."""
    images = [np.full((side, side, 3), 10 * i, np.uint8) for i in range(count)]
    encoded = [tf.io.encode_png(image).numpy() for image in images]
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


def labeled(image_format=SMALL, noise=PLAIN, seed=0, start_step=0, batch=4):
    batches = pipelines.NoisedBatches(
        image_format, noise, batch, seed, start_step
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


def make_photo_source():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
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


def test_pseudo_labelled_records_come_back(tmp_path):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), size=10)
    with records.shard_writer(tmp_path / "train-0") as writer:
        for row, example in zip(
            probabilities, make_source().read().as_numpy_iterator(), strict=True
        ):
            writer.write(
                records.encode_pseudo_labeled(
                    example["encoded"], int(row.argmax()), row
                )
            )
    dataset = pipelines.pseudo_labeled_images(
        [str(tmp_path / "train-0")],
        10,
        3,
        pipelines.NoisedBatches(SMALL, PLAIN, 5, seed=0),
    )
    seen = []
    for batch in take(dataset, 2):
        numbers = batch["unlabeled_image"][:, 0, 0, 0] // 10
        seen.extend(numbers)
        np.testing.assert_allclose(
            batch["unlabeled_probabilities"], probabilities[numbers], rtol=1e-6
        )
        np.testing.assert_array_equal(
            batch["unlabeled_label"], probabilities[numbers].argmax(axis=1)
        )
    assert sorted(seen) == list(range(10))
