"""Batches, their order and their repeatability."""

import dataclasses
import pathlib

import numpy as np
import pytest

from noisy_student.config import InputConfig
from noisy_student.data import batching, pipelines, plain, pseudo_labeled
from noisy_student.errors import InputError
from tests.data.images import (
    LARGE,
    NOISED,
    PLAIN,
    SMALL,
    labeled,
    make_source,
    take,
    unlabeled,
    write_records,
)


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
def test_batches_have_the_promised_form(image_format):
    dataset = labeled(image_format, NOISED)
    side = image_format.side
    assert dataset.element_spec["image"].shape == (4, side, side, 3)
    batch = take(dataset, 1)[0]
    assert sorted(batch) == ["image", "label", "label_weight", "row"]
    assert (batch["label_weight"] == 1).all()
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


@pytest.mark.parametrize(
    "image_format", [SMALL, pytest.param(LARGE, marks=pytest.mark.slow)]
)
def test_a_later_start_yields_what_would_have_come(image_format):
    whole = take(labeled(image_format, NOISED), 8)
    for start in (1, 3, 5):
        rest = take(labeled(image_format, NOISED, first_batch=start), 3)
        for early, late in zip(whole[start:], rest, strict=False):
            np.testing.assert_array_equal(early["label"], late["label"])
            np.testing.assert_array_equal(early["image"], late["image"])
            np.testing.assert_array_equal(early["row"], late["row"])


def test_the_seed_decides():
    first, same, other = (
        np.concatenate([b["label"] for b in take(labeled(seed=seed), 5)])
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_plain_images_come_once_in_order_and_padded():
    dataset = plain.plain_images(make_source(10), SMALL, 4)
    batches = take(dataset, 100)
    weights = np.concatenate([batch["weight"] for batch in batches])
    labels = np.concatenate([batch["label"] for batch in batches])
    assert weights.tolist() == [1.0] * 10 + [0.0] * 2
    assert labels[:10].tolist() == list(range(10))
    assert dataset.element_spec["image"].shape == (4, 16, 16, 3)


def test_pseudo_labelled_records_come_back(tmp_path):
    probabilities = write_records(tmp_path / "train-0", make_source())
    batches = pipelines.BatchSpec(SMALL, PLAIN, 5, seed=0)
    seen = []
    for batch in take(unlabeled(tmp_path / "train-0", batches), 2):
        assert sorted(batch) == [
            "unlabeled_image",
            "unlabeled_label",
            "unlabeled_probabilities",
            "unlabeled_row",
            "unlabeled_weight",
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


@pytest.mark.parametrize(
    "image_format", [SMALL, pytest.param(LARGE, marks=pytest.mark.slow)]
)
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


@pytest.mark.parametrize("size", [1, 7, 64, 97, 130, 200, 256, 2048])
def test_chunks_divide_the_batch(size):
    chunk = batching.chunk_size(size)
    assert size % chunk == 0
    assert chunk == size or 16 <= chunk <= 64


def test_large_batches_are_whole():
    batches = pipelines.BatchSpec(SMALL, PLAIN, 128, seed=0)
    dataset = pipelines.labeled_images(make_source(), batches)
    for batch in take(dataset, 3):
        assert batch["image"].shape == (128, 16, 16, 3)
        np.testing.assert_array_equal(
            batch["image"][:, 0, 0, 0], 10 * batch["label"]
        )


def test_a_share_of_the_labels_counts():
    batches = pipelines.BatchSpec(SMALL, PLAIN, 100, seed=0)

    def weights(first):
        later = dataclasses.replace(batches, first_batch=first)
        dataset = pipelines.labeled_images(make_source(), later, 0.3)
        return np.stack([b["label_weight"] for b in take(dataset, 20 - first)])

    drawn = weights(0)
    assert set(drawn.ravel()) == {0.0, 1.0}
    # Standard deviation 0.010 of 2,000 draws.
    assert drawn.mean() == pytest.approx(0.3, abs=0.05)
    assert len({row.tobytes() for row in drawn}) == 20
    np.testing.assert_array_equal(weights(5), drawn[5:])


@pytest.mark.parametrize(
    "kind", ["labelled", "unlabelled", "one file", "files"]
)
def test_workers_share_the_images(tmp_path, kind):
    source = make_source(8)
    shares = [source.shard(number, 2) for number in (0, 1)]
    paths = [str(tmp_path / f"train-{number}") for number in (0, 1)]
    if kind == "one file":
        paths = paths[:1]
        write_records(tmp_path / "train-0", source)
    else:
        for path, share in zip(paths, shares, strict=True):
            write_records(pathlib.Path(path), share)

    def seen_by(worker):
        batches = pipelines.BatchSpec(
            SMALL, PLAIN, 4, seed=0, worker=worker, num_workers=2
        )
        if kind == "labelled":
            dataset, key = pipelines.labeled_images(source, batches), "image"
        elif kind == "unlabelled":
            dataset = pipelines.unlabeled_images(source, batches)
            key = "unlabeled_image"
        else:
            records = pseudo_labeled.PseudoLabeledSource.from_files(paths, 8, 3)
            dataset = pipelines.unlabeled_images(records, batches)
            key = "unlabeled_image"
        epochs = [batch[key][:, 0, 0, 0] // 10 for batch in take(dataset, 3)]
        assert len({tuple(sorted(epoch)) for epoch in epochs}) == 1
        return set(epochs[0])

    assert [seen_by(0), seen_by(1)] == [{0, 2, 4, 6}, {1, 3, 5, 7}]


def test_training_batches_have_the_keys_that_are_asked_for(tmp_path):
    probabilities = write_records(tmp_path / "train-0", make_source())
    spec = pipelines.BatchSpec(SMALL, PLAIN, 5, seed=0)
    path = str(tmp_path / "train-0")
    pseudo_labels = pseudo_labeled.PseudoLabeledSource.from_files([path], 10, 3)
    keys = ["image", "label", "unlabeled_image", "unlabeled_probabilities"]
    dataset = pipelines.training_batches(
        make_source(), pseudo_labels, spec, 10, keys
    )
    [batch] = take(dataset, 1)
    assert sorted(batch) == keys
    [alone] = take(pipelines.labeled_images(make_source(), spec), 1)
    np.testing.assert_array_equal(batch["image"], alone["image"])
    numbers = batch["unlabeled_image"][:, 0, 0, 0] // 10
    assert sorted(numbers) == list(range(10))
    np.testing.assert_allclose(
        batch["unlabeled_probabilities"], probabilities[numbers], rtol=1e-6
    )
    message = "reads unlabeled_probabilities, and this run's batches have ima"
    with pytest.raises(InputError, match=message):
        pipelines.training_batches(make_source(), make_source(), spec, 5, keys)
    with pytest.raises(InputError, match="reads unlabeled_image, unlabeled_p"):
        pipelines.training_batches(make_source(), None, spec, 0, keys)


def test_unlabelled_images_come_without_their_labels():
    batches = pipelines.BatchSpec(SMALL, NOISED, 4, 0, teacher_side=8)
    dataset = pipelines.unlabeled_images(make_source(), batches)
    assert {
        key: tuple(spec.shape) for key, spec in dataset.element_spec.items()
    } == {
        "unlabeled_image": (4, 16, 16, 3),
        "teacher_image": (4, 8, 8, 3),
        "unlabeled_row": (4,),
        "unlabeled_weight": (4,),
    }


@pytest.mark.parametrize("image_format", [SMALL, LARGE])
@pytest.mark.parametrize("cache_mib", [0, 1])
def test_a_row_stays_with_its_image(image_format, cache_mib):
    """Through shuffling, and in every epoch."""
    options = {"input": InputConfig(cache_mib=cache_mib), "batch": 5}
    for batch in take(labeled(image_format, **options), 6):
        np.testing.assert_array_equal(batch["row"], batch["label"])


def test_rows_count_from_0_in_every_workers_part():
    def rows_of(worker):
        batches = pipelines.BatchSpec(
            SMALL, PLAIN, 5, 0, worker=worker, num_workers=2
        )
        dataset = pipelines.unlabeled_images(make_source(), batches)
        batch = take(dataset, 1)[0]
        numbers = batch["unlabeled_image"][:, 0, 0, 0] // 10
        return dict(zip(batch["unlabeled_row"], numbers, strict=True))

    assert rows_of(0) == {0: 0, 1: 2, 2: 4, 3: 6, 4: 8}
    assert rows_of(1) == {0: 1, 1: 3, 2: 5, 3: 7, 4: 9}
