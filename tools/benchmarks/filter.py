"""How fast is filtering, records in and filtered records out?

Small JPEGs and made-up predictions of 10,000 to 1,000,000 images, of 10 and
of 1,000 classes. Each measurement has a process of its own; start-up and
making the files are left out; figures are medians over the rounds.

  python -m tools.benchmarks.filter
  python -m tools.benchmarks.filter --sizes=10000 --classes=10 --rounds=5

The files go to --directory and are removed. With 1,000,000 images of 1,000
classes they take 8 GB.
"""

import json
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
from absl import app, flags
from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.files import remote
from tools.benchmarks import choices, turns

_ORIGINAL = 1300  # images/s of the original program, on such a machine
_SHARD = 100_000  # images
_SELECTED = 200_000  # images of the selection alone

_SIZES = choices.define_numbers(
    "sizes", [10_000, 100_000, 1_000_000], "Numbers of images, a list."
)
_CLASSES = choices.define_numbers(
    "classes", [10, 1000], "Numbers of classes, a list."
)
_SAMPLES = flags.DEFINE_integer(
    "samples",
    0,
    "Images of each class saved as files, which is a fixed cost.",
)
_SIDE = flags.DEFINE_integer(
    "jpeg_side", 32, "Side of the JPEGs in pixels; up to 427.", lower_bound=1
)
_DIRECTORY = flags.DEFINE_string(
    "directory",
    None,
    "Where the files go; default: the system's for temporary files.",
)


def make_probabilities(
    count: int, num_classes: int, generator: np.random.Generator
) -> np.ndarray:
    """Makes up a teacher's probabilities: float32 (count, classes).

    The teacher is sure of some images and unsure of others.
    """
    rows = generator.random((count, num_classes), np.float32)
    labels = generator.integers(0, num_classes, count)
    top = generator.beta(2, 1, count).astype(np.float32)
    rows *= ((1 - top) / rows.sum(axis=1))[:, np.newaxis]
    rows[np.arange(count), labels] = top
    return rows / rows.sum(axis=1, keepdims=True)


def make_files(
    directory: epath.Path, size: int, num_classes: int, side: int
) -> None:
    """Writes images and predictions as make_records and predict do."""
    from noisy_student.data import records
    from noisy_student.files import shards, writing
    from tools.benchmarks import photographs

    generator = np.random.default_rng(0)
    jpegs = photographs.jpegs(side, side, 512)
    source, files, made_from = describe(directory, size)
    count = size // files.num_shards
    for share in files.shares():
        path = to_path(source.record_paths[share.shard])
        with (
            shards.shard_writer(path) as images,
            shards.shard_writer(files.predictions(share)) as predictions,
        ):
            for first in range(0, count, 1000):
                batch = min(1000, count - first)
                for row in make_probabilities(batch, num_classes, generator):
                    jpeg = jpegs[generator.integers(len(jpegs))]
                    images.write(records.encode_image(jpeg, -1, path.name))
                    predictions.write(records.encode_prediction(row))
        info = {
            "image_num": count,
            "seconds": 0.0,
            "made_from": files.stamp(made_from),
        }
        writing.write_json(files.info(share), info)


def describe(directory: epath.Path, size: int) -> tuple:
    """Returns the source, its prediction files, and what these stem from."""
    from noisy_student import pseudo_labels
    from noisy_student.data import tfrecords
    from noisy_student.files import shards

    num_shards = max(1, size // _SHARD)
    paths = [
        directory / "images" / shards.shard_name("extra", i, num_shards)
        for i in range(num_shards)
    ]
    spans = [
        tfrecords.FileSpan(str(path), 0, size // num_shards) for path in paths
    ]
    source = tfrecords.RecordSource.from_spans(tuple(spans), None, "made up")
    files = pseudo_labels.PredictionFiles(
        directory / "predictions",
        directory / "info",
        num_shards,
    )
    return source, files, {"images": {}, "teacher": "made up"}


def measure_filter(
    directory: epath.Path, size: int, num_classes: int, samples: int
) -> dict[str, float]:
    """Filters in this process.

    Returns:
        Images/s, MB/s read and written, the peak of memory in MiB above the
        start, and the number of records.
    """
    # TensorFlow's own start-up is not the filter's.
    make_files(directory / "first", 1000, num_classes, 32)
    run_filter(directory / "first", 1000, num_classes, samples)
    before, start = _peak_mib(), time.perf_counter()
    records = run_filter(directory, size, num_classes, samples)
    seconds = time.perf_counter() - start
    moved = sum(
        remote.size(path)
        for folder in ("images", "predictions", "predictions", "out/data")
        for path in (directory / folder).iterdir()
    )
    for name in ("first", "out"):
        shutil.rmtree(directory / name)
    return {
        "images_per_second": size / seconds,
        "megabytes_per_second": moved / seconds / 1e6,
        "peak_mb": _peak_mib() - before,
        "records": records,
    }


def run_filter(
    directory: epath.Path, size: int, num_classes: int, samples: int
) -> int:
    """Filters what `make_files` made; returns the number of records."""
    from noisy_student import pseudo_labels, tasks
    from noisy_student.config import PseudoLabelConfig
    from noisy_student.data import sources

    source, files, _ = describe(directory, size)
    task = tasks.generic_task("made up", num_classes, 32)
    data = sources.TaskData(task, source, source, source, {})
    config = PseudoLabelConfig(
        # The paper keeps 130M records of 300M images.
        num_image=max(1, round(0.43 * size / num_classes)),
        min_threshold=0.3,
        num_shards=files.num_shards,
        samples_per_class=samples,
    )
    output = directory / "out"
    stats = pseudo_labels.filter_and_balance(data, files, output, config, 0)
    return stats.records


def measure_copy(directory: epath.Path) -> float:
    """Copies what the filter reads; returns MB/s read and written."""
    copy = directory / "copy"
    start, copied = time.perf_counter(), 0
    for folder in ("images", "predictions"):
        shutil.copytree(directory / folder, copy / folder)
        copied += sum(remote.size(f) for f in (copy / folder).iterdir())
    seconds = time.perf_counter() - start
    shutil.rmtree(copy)
    return 2 * copied / seconds / 1e6


def measure_selection(num_classes: int) -> dict[str, float]:
    """Counts, thresholds and copies of probabilities in memory: images/s."""
    from noisy_student.config import PseudoLabelConfig
    from noisy_student.data.records import BATCH
    from noisy_student.pseudo_labels import select

    generator = np.random.default_rng(0)
    rows = make_probabilities(_SELECTED, num_classes, generator)
    config = PseudoLabelConfig(
        num_image=round(0.43 * _SELECTED / num_classes), min_threshold=0.3
    )
    start = time.perf_counter()
    counts = np.zeros([num_classes, len(select.BIN_EDGES)], np.int64)
    tops = []
    for first in range(0, _SELECTED, BATCH):
        tops.append(select.top_classes(rows[first : first + BATCH]))
        counts += select.histogram(*tops[-1], num_classes)
    balance = select.Balance.choose(counts, config)
    for first, top in zip(range(0, _SELECTED, BATCH), tops, strict=True):
        images = range(first, first + len(top[0]))
        numbers = select.uniform(select.COPIES, 0, 0, images)
        balance.draw(*top, numbers)
    return {"images_per_second": _SELECTED / (time.perf_counter() - start)}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def median_of(measure: Callable, *arguments) -> dict[str, float]:
    """Returns the medians over rounds, each in a process of its own."""
    results = [
        turns.in_process(measure, *arguments) for _ in range(turns.ROUNDS.value)
    ]
    return {
        name: statistics.median(result[name] for result in results)
        for name in results[0]
    }


def main(_: list[str]) -> None:
    """Prints the table and the figures."""
    figures: dict[str, float] = {}
    print(
        f"{'classes':>8}{'images':>10}{'images/s':>10}{'original':>10}"
        f"{'MB/s':>7}{'copying':>9}{'peak MiB':>10}{'records':>9}"
    )
    for num_classes in choices.numbers(_CLASSES):
        for size in choices.numbers(_SIZES):
            with tempfile.TemporaryDirectory(dir=_DIRECTORY.value) as name:
                directory = to_path(name)
                made = (directory, size, num_classes)
                turns.in_process(make_files, *made, _SIDE.value)
                result = median_of(measure_filter, *made, _SAMPLES.value)
                copying = measure_copy(directory)
            speed = result["images_per_second"]
            print(
                f"{num_classes:>8}{size:>10}{speed:>10.0f}"
                f"{speed / _ORIGINAL:>9.1f}x"
                f"{result['megabytes_per_second']:>7.0f}{copying:>9.0f}"
                f"{result['peak_mb']:>10.0f}{result['records']:>9.0f}",
                flush=True,
            )
            key = f"{num_classes}_classes_{size}"
            figures[f"images_per_second_{key}"] = round(speed)
            figures[f"peak_mb_{key}"] = round(result["peak_mb"])
        selection = median_of(measure_selection, num_classes)[
            "images_per_second"
        ]
        print(f"{num_classes:>8} selection alone {selection:.0f} images/s")
        figures[f"selection_{num_classes}_classes"] = round(selection)
    print(json.dumps(_summary(figures)))


def _summary(figures: dict[str, float]) -> dict[str, float]:
    """Adds the lowest speeds and the highest peak to all figures."""

    def of(prefix: str) -> list[float]:
        return [v for name, v in figures.items() if name.startswith(prefix)]

    return {
        "images_per_second": min(of("images_per_second_")),
        "against_original": round(min(of("images_per_second_")) / _ORIGINAL, 1),
        "selection_images_per_second": min(of("selection_")),
        "peak_mb_1m": max(of("peak_mb_"), default=0),
        **figures,
    }


if __name__ == "__main__":
    app.run(main)
