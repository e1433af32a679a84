"""The order of the images: random, of every image once, and repeatable."""

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import InputConfig
from noisy_student.data import (
    folders,
    order,
    pipelines,
    pseudo_labeled,
    record_blocks,
    records,
    tfrecords,
)
from noisy_student.data.sources import ImageSource, Span
from noisy_student.files import shards
from tests.data.images import PLAIN, SMALL, make_source, take

CLASSES, PER_CLASS, BATCH = 100, 50, 500
LABELS = np.repeat(np.arange(CLASSES), PER_CLASS)
IMAGES = len(LABELS)
SEED = (5, 6)
NO_CACHE = InputConfig(cache_mib=0)


@pytest.fixture(scope="module")
def png():
    return tf.io.encode_png(np.zeros([4, 4, 3], np.uint8)).numpy()


def folder_source(directory, png):
    """100 class folders, which lie one after the other."""
    for label in range(CLASSES):
        folder = directory / "train" / f"{label:03d}"
        folder.mkdir(parents=True)
        for number in range(PER_CLASS):
            (folder / f"{number}.png").write_bytes(png)
    images = folders.ImageFolders([directory])
    images.read_classes(["train"])
    size = sum(images.shard_sizes("train"))
    return images.source([Span("train", 0, size)], "folders")


def record_source(directory, png, num_files=4):
    """The same images, sorted by class, in record files."""
    paths = [directory / f"train-{i}" for i in range(num_files)]
    parts = np.split(LABELS, num_files)
    for path, labels in zip(paths, parts, strict=True):
        with shards.shard_writer(path) as writer:
            for label in labels:
                writer.write(records.encode_image(png, int(label), "a test"))
    return tfrecords.from_files(list(map(str, paths)), "records")


@pytest.fixture(scope="module", params=["folders", "records"])
def source(request, tmp_path_factory, png):
    make = folder_source if request.param == "folders" else record_source
    return make(tmp_path_factory.mktemp(request.param), png)


def batches(source, count, **settings):
    settings = {"batch_size": BATCH, "seed": 1, "input": NO_CACHE} | settings
    spec = pipelines.BatchSpec(SMALL, PLAIN, **settings)
    return take(pipelines.labeled_images(source, spec), count)


@pytest.fixture(scope="module")
def two_epochs(source):
    return batches(source, 2 * IMAGES // BATCH)


def rows_of(taken):
    return np.concatenate([batch["row"] for batch in taken])


def test_batches_hold_the_classes_in_the_proportions_of_the_whole(two_epochs):
    for batch in two_epochs:
        counts = np.bincount(batch["label"], minlength=CLASSES)
        expected = BATCH / CLASSES
        chi_squared = ((counts - expected) ** 2 / expected).sum()
        # Mean 99 * 0.9 as images do not come back, standard deviation 13.
        # Sorted batches, of ten classes each, have 4,500.
        assert 45 < chi_squared < 150


def test_every_image_comes_once_an_epoch_and_epochs_differ(two_epochs):
    first, second = np.split(rows_of(two_epochs), 2)
    for epoch in (first, second):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(IMAGES))
    # Two random orders have one place in common on average.
    assert (first == second).sum() < 10
    for batch in two_epochs:
        np.testing.assert_array_equal(batch["label"], LABELS[batch["row"]])


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_order(source, two_epochs, threads):
    options = InputConfig(cache_mib=0, num_parallel_calls=threads)
    again = batches(source, 12, input=options)
    np.testing.assert_array_equal(rows_of(again), rows_of(two_epochs[:12]))


def test_what_stays_in_memory_has_the_same_order(source, two_epochs):
    again = batches(source, 12, input=InputConfig())
    np.testing.assert_array_equal(rows_of(again), rows_of(two_epochs[:12]))


@pytest.mark.parametrize("start", [1, 9, 10, 17])
def test_a_run_goes_on_at_any_batch(source, two_epochs, start):
    later = batches(source, 20 - start, first_batch=start)
    np.testing.assert_array_equal(rows_of(later), rows_of(two_epochs[start:]))


def test_workers_have_disjoint_parts_that_make_the_whole(source):
    labels = [
        np.concatenate(
            [
                batch["label"]
                for batch in batches(source, 5, worker=worker, num_workers=2)
            ]
        )
        for worker in (0, 1)
    ]
    assert all(len(each) == IMAGES // 2 for each in labels)
    counts = np.bincount(np.concatenate(labels), minlength=CLASSES)
    assert (counts == PER_CLASS).all()


def numbered_blocks(sizes, read):
    """Blocks of numbers; `read` gets the numbers of those that are read."""
    sizes = np.array(sizes)
    starts = np.cumsum(sizes) - sizes

    def read_block(block):
        def note(block):
            read.append(int(block))
            return block

        block = tf.numpy_function(note, [block], tf.int64)
        begin = tf.gather(starts, tf.ensure_shape(block, []))
        return tf.data.Dataset.range(begin, begin + tf.gather(sizes, block))

    return order.Blocks(
        sizes, lambda blocks: blocks.flat_map(read_block), lambda _, x: x
    )


@pytest.mark.parametrize(
    ("sizes", "buffer_size"),
    [([1] * 50, 9), ([4] * 20 + [2, 1, 4, 3], 24), ([8] * 9, 1), ([100], 30)],
)
def test_blocks_of_any_size_come_back_at_any_place(sizes, buffer_size):
    blocks, size = numbered_blocks(sizes, []), sum(sizes)

    def images(first, count):
        dataset = order.epochs(blocks, SEED, first, buffer_size)
        return take(dataset, count)

    whole = images(0, 2 * size)
    places = [int(place) for place, _ in whole]
    assert places == [int(content) for _, content in whole]
    for epoch in (places[:size], places[size:]):
        assert sorted(epoch) == list(range(size)) != epoch
    for first in range(0, size + 10, 11):
        assert [int(p) for p, _ in images(first, 20)] == (
            places[first : first + 20]
        )
    unread = order.epochs(blocks, SEED, 0, buffer_size, read=False)
    assert [int(place) for place in take(unread, 2 * size)] == places


def test_a_later_start_reads_nothing_of_what_came_before():
    read = []
    blocks = numbered_blocks([8] * 1000, read)
    take(order.epochs(blocks, SEED, 7000, 96), 1)
    # A window of four blocks, and the two after it.
    assert len(read) <= 12


def test_neighbouring_records_are_read_together(tmp_path, png):
    """But not all of a class, of which there are many in a row."""
    source = record_source(tmp_path, png)
    listed = record_blocks.RecordList.from_spans(source.files)
    tiled = listed.at(np.tile(np.arange(IMAGES), 20))
    sizes = record_blocks.blocks(tiled, None).sizes
    assert sizes.max() == 8 and sizes.sum() == 20 * IMAGES
    assert (np.bincount(sizes)[8] * 8) > 0.95 * sizes.sum()


def test_a_subset_reads_only_its_records(tmp_path, png):
    source = record_source(tmp_path, png, num_files=2)
    mask = np.zeros(IMAGES, bool)
    mask[[3, 4, 2000, 2400]] = True  # none of the second file
    source.labels()
    part = source.subset(mask)
    sizes = part.blocks().sizes
    (tmp_path / "train-1").unlink()
    assert part.labels().tolist() == LABELS[mask].tolist()
    assert sizes.sum() == 4
    taken = batches(part, 2, batch_size=4)
    for batch in taken:
        assert sorted(batch["label"]) == LABELS[mask].tolist()
    names = [example["record"] for example in part.read().as_numpy_iterator()]
    path = str(tmp_path / "train-0").encode()
    assert names == [b"record %d of %s" % (n, path) for n in (3, 4, 2000, 2400)]


def test_a_subset_of_a_subset(tmp_path, png):
    source = record_source(tmp_path, png)
    part = source.stride(3, 7).subset(np.arange(714) % 2 == 0).stride(1, 3)
    expected = LABELS[3::7][:714][::2][1::3]
    assert part.labels().tolist() == expected.tolist()


def test_records_that_are_missing_are_told_of(tmp_path):
    path = tmp_path / "train-0"
    with shards.shard_writer(path) as writer:
        writer.write(records.encode_pseudo_labeled(b"", 0, [0.5, 0.5]))
    source = pseudo_labeled.PseudoLabeledSource.from_files([str(path)], 2, 2)
    with pytest.raises(ValueError, match="hold 1 records in place of 2; filt"):
        source.blocks()


def test_a_source_without_blocks_is_shuffled_in_a_buffer():
    source = make_source(30)
    assert type(source) is ImageSource
    options = InputConfig(shuffle_buffer_size=6, cache_mib=0)
    spec = pipelines.BatchSpec(SMALL, PLAIN, 30, seed=0, input=options)
    [batch] = take(pipelines.labeled_images(source, spec), 1)
    # A third of the buffer: an image comes at most one place early.
    assert (batch["row"] - np.arange(30) <= 1).all()
    assert (batch["row"] != np.arange(30)).any()
