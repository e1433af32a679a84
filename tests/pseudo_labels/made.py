"""Images and predictions that the tests of this folder share."""

import collections

import numpy as np
import tensorflow as tf

from noisy_student import pseudo_labels, tasks
from noisy_student.config import DataConfig, PseudoLabelConfig
from noisy_student.data import records, sources
from noisy_student.data.open import open_task
from noisy_student.files import shards, writing

GENERATOR = np.random.default_rng(0)
PROBABILITIES = GENERATOR.dirichlet([0.3, 0.3, 0.1], 300).astype(np.float32)
TRUTH = GENERATOR.integers(0, 3, 300)


def make_source(count=300, truth=TRUTH):
    return sources.ImageSource(
        count,
        lambda: tf.data.Dataset.from_tensor_slices(
            {
                "encoded": [b"image %d" % i for i in range(count)],
                "label": truth[:count],
                "index": np.arange(count),
            }
        ),
        "a test",
    )


def write_images(directory, num_files):
    """The images of `make_source` as record files, dealt out in turn."""
    paths = [directory / f"images-{i}" for i in range(num_files)]
    for number, path in enumerate(paths):
        with shards.shard_writer(path) as writer:
            for i in range(number, len(TRUTH), num_files):
                image = tf.io.encode_png(np.full([4, 4, 3], i % 256, np.uint8))
                encoded = image.numpy()
                writer.write(records.encode_image(encoded, TRUTH[i], str(i)))
    return paths


def flip_byte(path, record):
    """Damages a record, counted from 0, of a file."""
    content, offset = bytearray(path.read_bytes()), 0
    for _ in range(record):
        offset += 16 + int.from_bytes(content[offset : offset + 8], "little")
    content[offset + 20] ^= 1
    path.write_bytes(content)


IDENTITY = {"task_name": "made up", "seed": 1}


def make_data(source=None):
    source = source or make_source()
    task = tasks.generic_task("made up", num_classes=3, side=8)
    return sources.TaskData(task, source, source, source, dict(IDENTITY))


def write_predictions(
    directory, num_shards, probabilities=PROBABILITIES, workers=1
):
    files = pseudo_labels.PredictionFiles(
        directory, directory, num_shards, workers
    )
    for share in files.shares():
        rows = probabilities[share.shard :: num_shards][share.worker :: workers]
        with shards.shard_writer(files.predictions(share)) as writer:
            for row in rows:
                writer.write(records.encode_prediction(row))
        writing.write_json(
            files.info(share),
            {
                "image_num": len(rows),
                "seconds": 1.0,
                "made_from": files.stamp(
                    {"images": IDENTITY, "teacher": "abc"}
                ),
            },
        )
    return files


def read_records(directory):
    """(number of the image, label, probabilities) of every record."""
    paths = pseudo_labels.record_paths(directory)
    for raw in tf.data.TFRecordDataset(paths).as_numpy_iterator():
        feature = tf.train.Example.FromString(raw).features.feature
        yield (
            int(feature["image/encoded"].bytes_list.value[0].split()[1]),
            feature["label"].int64_list.value[0],
            np.array(feature["probabilities"].float_list.value),
        )


def run(tmp_path, num_shards=2, source=None, workers=1, **config):
    files = write_predictions(tmp_path / "p", num_shards, workers=workers)
    config["total_replicas"] = workers
    settings = {"num_image": 60, "min_threshold": 0.5} | config
    return pseudo_labels.filter_and_balance(
        make_data(source),
        files,
        tmp_path / "out",
        PseudoLabelConfig(num_shards=num_shards, **settings),
        seed=1,
    )


def contents(directory):
    """All records, with how often each is there."""
    paths = pseudo_labels.record_paths(directory)
    return collections.Counter(
        tf.data.TFRecordDataset(paths).as_numpy_iterator()
    )


def write_digit_predictions(directory, config):
    """A teacher's of the unlabelled digits who is right nine times in ten."""
    data = open_task(DataConfig("digits"), seed=0)
    files = pseudo_labels.PredictionFiles(
        directory,
        directory / "info",
        config.num_shards,
        config.total_replicas,
    )
    generator = np.random.default_rng(0)
    for share in files.shares():
        labels = files.images(data.unlabeled, share).labels()
        wrong = generator.random(len(labels)) < 0.1
        labels = np.where(wrong, generator.integers(0, 10, len(labels)), labels)
        rows = generator.dirichlet(np.ones(10), len(labels))
        rows += generator.random((len(labels), 1)) * 3 * np.eye(10)[labels]
        rows /= rows.sum(axis=1, keepdims=True)
        with shards.shard_writer(files.predictions(share)) as writer:
            for row in rows:
                writer.write(records.encode_prediction(row))
        made_from = {"images": data.identity, "teacher": "made up"}
        writing.write_json(
            files.info(share),
            {
                "image_num": len(rows),
                "seconds": 1.0,
                "made_from": files.stamp(made_from),
            },
        )
    return directory
