"""How much faster is the second epoch of a folder of large photographs?

The input pipeline of training reads a folder of JPEGs of 12 megapixels twice.
In the first epoch it decodes them and keeps small copies, which are all that
the second reads. Each round is a process of its own, which has no copies yet;
the figures are medians over the rounds:

  python -m tools.benchmarks.folder_epoch --rounds=3
"""

import functools
import io
import json
import os
import pathlib
import statistics
import tempfile

import numpy as np
from absl import app, flags
from PIL import Image
from sklearn.datasets import load_sample_images

from tools.benchmarks import turns

_PHOTOGRAPH = (4000, 3000)  # width and height
_BATCH_SIZE = 32

_IMAGES = flags.DEFINE_integer(
    "folder_images", 3000, "Photographs in the folder.", lower_bound=_BATCH_SIZE
)
_SIDE = flags.DEFINE_integer(
    "folder_side", 160, "Side of the model's input, in pixels.", lower_bound=32
)


def make_folder(directory: pathlib.Path, count: int) -> list[str]:
    """Writes photographs; returns their paths.

    They are links to two files: what is decoded is kept by path.
    """
    files = []
    for number, pixels in enumerate(load_sample_images().images):
        large = Image.fromarray(pixels).resize(_PHOTOGRAPH)
        content = io.BytesIO()
        large.save(content, "JPEG", quality=92)
        files.append(directory / f"file_{number}.jpg")
        files[-1].write_bytes(content.getvalue())
    paths = [str(directory / f"photo_{number}.jpg") for number in range(count)]
    for number, path in enumerate(paths):
        os.link(files[number % len(files)], path)
    return paths


def two_epochs(paths: list[str], side: int, threads: int) -> list[float]:
    """Returns the images/s of the first epoch and of the second."""
    turns.use_threads(threads)
    from noisy_student.config import InputConfig, NoiseConfig
    from noisy_student.data import folders, pipelines, views

    count = len(paths)
    source = folders.FileSource.from_files(
        np.array(paths),
        np.zeros(count, np.int64),
        np.arange(count),
        "photographs",
    )
    spec = views.BatchSpec(
        views.ImageFormat(side, small=False, horizontal_flip=True),
        NoiseConfig(augment_name="v1"),
        _BATCH_SIZE,
        seed=0,
        input=InputConfig(num_parallel_calls=threads),
    )
    batches = iter(pipelines.labeled_images(source, spec))
    next(batches)  # tracing is no part of an epoch

    def epoch() -> None:
        for _ in range(count // _BATCH_SIZE):
            next(batches)

    return [turns.images_per_second(epoch, count) for _ in range(2)]


def main(_: list[str]) -> None:
    """Prints the table and the ratio."""
    with tempfile.TemporaryDirectory() as directory:
        paths = make_folder(pathlib.Path(directory), _IMAGES.value)
        run = functools.partial(two_epochs, paths, _SIDE.value)
        rounds = [
            turns.in_process(run, turns.THREADS.value)
            for _ in range(turns.ROUNDS.value)
        ]
    first, second = (statistics.median(x) for x in zip(*rounds, strict=True))
    print(f"{'images/s':>32}{'first':>10}{'second':>10}{'ratio':>8}")
    title = f"{_IMAGES.value} photographs, {_SIDE.value} px"
    ratio = second / first
    print(f"{title:>32}{first:>10.1f}{second:>10.1f}{ratio:>8.2f}")
    print(json.dumps({"folder_epoch": round(ratio, 3)}))


if __name__ == "__main__":
    app.run(main)
