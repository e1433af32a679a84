"""What does the order cost, in reading and at a start in mid-epoch?

Small JPEGs of 32 px in sorted class folders and in records, read in the order
of training and not decoded. The peer is a plain shuffle of `tf.data`, file
after file, out of a buffer of 10,000 images. Turns, medians:

  python -m tools.benchmarks.order --rounds=3

Then the seconds from opening the records, whose offsets nobody knows yet, to
the first batch at 95 % of an epoch; the peer skips what comes before.
"""

import functools
import json
import tempfile
import time
from collections.abc import Callable

import tensorflow as tf
from absl import app, flags
from etils import epath

from noisy_student.config import InputConfig
from noisy_student.config.paths import to_path
from noisy_student.data import folders, order, records, sources, tfrecords
from noisy_student.files import shards
from tools.benchmarks import photographs, turns

_RECORDS = flags.DEFINE_integer(
    "records", 1_000_000, "Records, in 16 files.", lower_bound=1600
)
_FILES = flags.DEFINE_integer(
    "files", 20_000, "Image files, in 100 class folders.", lower_bound=100
)

_NUM_FILES, _CLASSES = 16, 100
_BATCH_SIZE = 64
_BATCHES = 500  # of a turn
_BUFFER = InputConfig().shuffle_buffer_size
_DIFFERENT = 500  # images
_SEED = (0, 0)


def write_records(directory: epath.Path, number: int) -> None:
    """Writes records, sorted by class."""
    encoded = photographs.jpegs(32, 32, _DIFFERENT)
    per_file = number // _NUM_FILES
    for shard in range(_NUM_FILES):
        name = shards.shard_name("train", shard, _NUM_FILES)
        with shards.shard_writer(directory / name) as writer:
            for place in range(shard * per_file, (shard + 1) * per_file):
                label = place * _CLASSES // number
                image = encoded[place % _DIFFERENT]
                writer.write(records.encode_image(image, label, str(place)))


def write_folders(directory: epath.Path, number: int) -> None:
    """Writes class folders with as many image files each."""
    encoded = photographs.jpegs(32, 32, _DIFFERENT)
    for label in range(_CLASSES):
        folder = directory / "train" / f"{label:03d}"
        folder.mkdir(parents=True)
        for place in range(number // _CLASSES):
            image = encoded[(label + place) % _DIFFERENT]
            (folder / f"{place:06d}.jpg").write_bytes(image)


def open_records(directory: epath.Path) -> sources.ImageSource:
    """Opens what `write_records` wrote."""
    paths = sorted(map(str, directory.glob("train-*-of-*")))
    return tfrecords.from_files(paths, "records")


def open_folders(directory: epath.Path) -> sources.ImageSource:
    """Opens what `write_folders` wrote."""
    images = folders.ImageFolders([directory])
    images.read_classes(["train"])
    [number] = images.shard_sizes("train")
    return images.source([sources.Span("train", 0, number)], "folders")


def our_batches(source: sources.ImageSource, first: int = 0) -> tf.data.Dataset:
    """Returns batches in the order of training, from an image on."""
    blocks = source.blocks()
    dataset = (
        order.epochs(blocks, _SEED, first, _BUFFER)
        .batch(_BATCH_SIZE, drop_remainder=True)
        .map(blocks.parse)
    )
    return turns.prefetched(dataset)


def plain_batches(
    source: sources.ImageSource, first: int = 0
) -> tf.data.Dataset:
    """Returns batches of the images as they lie, shuffled in a buffer."""
    is_records = isinstance(source, tfrecords.RecordSource)
    dataset = (
        tf.data.TFRecordDataset(list(source.record_paths))
        if is_records
        else source.read()
    )
    dataset = (
        dataset.shuffle(_BUFFER, seed=1)
        .repeat()
        .skip(first)
        .batch(_BATCH_SIZE, drop_remainder=True)
    )
    if is_records:
        dataset = dataset.map(records.parse_images)
    return turns.prefetched(dataset)


def make_side(
    name: str, directory: epath.Path, batches: int, threads: int
) -> turns.Turn:
    """Returns turns of one side, in images/s."""
    turns.use_threads(threads)
    kind, side = name.split()
    source = (open_records if kind == "records" else open_folders)(directory)
    make = our_batches if side == "ours" else plain_batches
    return turns.over_batches(make(source), batches, _BATCH_SIZE)


def start_seconds(
    make: Callable, directory: epath.Path, first: int
) -> dict[str, float]:
    """Returns how long it takes to open records, and to their first batch."""
    begin = time.perf_counter()
    source = open_records(directory)
    opened = time.perf_counter()
    next(iter(make(source, first)))
    return {
        "open": opened - begin,
        "first batch": time.perf_counter() - opened,
    }


def _compare_starts(directory: epath.Path, first: int) -> dict[str, float]:
    """Prints and returns the seconds of each side's start."""
    seconds = {}
    print(f"\nstart at record {first:,}, seconds")
    for side, make in (("ours", our_batches), ("plain", plain_batches)):
        parts = turns.in_process(start_seconds, make, directory, first)
        seconds[side] = sum(parts.values())
        listed = ", ".join(f"{n} {value:.2f}" for n, value in parts.items())
        print(f"{side:>16}{seconds[side]:>10.2f} ({listed})")
    return seconds


def main(_: list[str]) -> None:
    """Prints the table and the ratios."""
    batches, threads = turns.BATCHES.value or _BATCHES, turns.THREADS.value
    with tempfile.TemporaryDirectory() as folder:
        directory = to_path(folder)
        write_records(directory, _RECORDS.value)
        write_folders(directory, _FILES.value)
        speeds = turns.compare(
            {
                f"{kind} {side}": functools.partial(
                    make_side, f"{kind} {side}", directory, batches, threads
                )
                for kind in ("records", "folders")
                for side in ("ours", "plain")
            }
        )
        print(f"{'':>16}{'images/s':>10}{'us/image':>10}")
        for name, speed in speeds.items():
            print(f"{name:>16}{speed:>10.0f}{1e6 / speed:>10.1f}")
        first = _RECORDS.value * 95 // 100 // _BATCH_SIZE * _BATCH_SIZE
        seconds = _compare_starts(directory, first)
    ratios = {
        "records": speeds["records ours"] / speeds["records plain"],
        "folders": speeds["folders ours"] / speeds["folders plain"],
        "start": seconds["plain"] / seconds["ours"],
        "start_seconds": seconds["ours"],
    }
    print(json.dumps({name: round(value, 2) for name, value in ratios.items()}))


if __name__ == "__main__":
    app.run(main)
