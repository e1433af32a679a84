"""Filtered images as unlabelled ones, for a teacher to label them again."""

import dataclasses
import hashlib
import json
import re

from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.data import record_files, sources, tfrecords
from noisy_student.files import remote
from noisy_student.pseudo_labels.stored import (
    REASSIGNED_FROM,
    check_records,
    record_paths,
    stats_of,
)


def all_filtered(
    data: sources.TaskData, directory: epath.Path
) -> sources.TaskData:
    """Returns a task whose unlabelled images are the filtered ones.

    Args:
        data: the task.
        directory: of the filtered records, see `record_paths`.

    Raises:
        ValueError: see `record_paths`.
        InputError: they were filtered of other images than the task's.
    """
    paths = record_paths(directory)
    check_records(directory, data.identity)
    source = tfrecords.from_files(paths, str(directory))
    return with_filtered(data, source, directory)


def with_filtered(
    data: sources.TaskData,
    source: sources.ImageSource,
    directory: epath.Path,
) -> sources.TaskData:
    """Returns the same for images of a directory that are open."""
    identity = data.identity | reassigned_from(directory)
    # The records do not say which image, of what true class, one is of.
    return dataclasses.replace(
        data, unlabeled=source, identity=identity, truth=None
    )


def filtered_shards(
    directory: epath.Path, prefix: str, num_shards: int
) -> tuple[tfrecords.RecordSource, int]:
    """Opens the images of filtered records so that they divide by files.

    Args:
        directory: see `record_paths`.
        prefix: of the files, PREFIX-SSSSS-of-NNNNN or PREFIX-W-SSSSS-of-NNNNN.
        num_shards: NNNNN.

    Returns:
        The images, which `PredictionFiles.images` divides so that share (S, W)
        has those of its file, none where there is no file; and the number of
        workers.

    Raises:
        ValueError: there are no such files, or they are of another number of
            shards.
    """
    name = re.compile(rf"{re.escape(prefix)}(?:-(\d+))?-(\d{{5}})-of-(\d{{5}})")
    paths: dict[tuple[int, int], epath.Path] = {}
    for path in map(to_path, record_paths(directory)):
        if match := name.fullmatch(path.name):
            worker, shard, count = (int(group or 0) for group in match.groups())
            paths[worker, shard] = path
            if count != num_shards:
                raise ValueError(
                    f"{path} is of {count} shards, not {num_shards}; set "
                    f"num_shards={count}."
                )
    if not paths:
        raise ValueError(f"{directory} has no filtered files {prefix}-*.")
    numbers = record_files.count(list(paths.values()))
    spans = {
        key: tfrecords.FileSpan(str(path), 0, number)
        for (key, path), number in zip(paths.items(), numbers, strict=True)
    }
    nothing = tfrecords.FileSpan(str(next(iter(paths.values()))), 0, 0)
    workers = 1 + max(worker for worker, _ in paths)
    files = [
        spans.get((worker, shard), nothing)
        for worker in range(workers)
        for shard in range(num_shards)
    ]
    source = tfrecords.RecordSource.from_spans(
        tuple(files), None, str(directory)
    )
    return source, workers


def reassigned_from(directory: epath.Path) -> dict[str, str]:
    """Tells filtered images from others, for the identity of these.

    Args:
        directory: see `record_paths`.
    """
    stats, paths = stats_of(directory), record_paths(directory)
    sizes = {path: remote.size(to_path(path)) for path in paths}
    # Not the seconds that filtering took, which differ where it was resumed.
    content = [sizes, stats.made_from if stats else None]
    text = json.dumps(content, sort_keys=True)
    sha = hashlib.sha256(text.encode()).hexdigest()
    return {REASSIGNED_FROM: sha}
