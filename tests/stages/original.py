"""A small SVHN in the original's directories, and its commands."""

import pathlib
import shutil

import numpy as np
import sklearn.datasets
import tensorflow as tf

import flags
from noisy_student import models, stages
from noisy_student.config import ModelConfig
from noisy_student.config.tools import FilterSettings
from tests.flags.test_flags import make_flags

# The digits of each shard; those of shard 2 are written so that they cannot be
# decoded, and none of them is kept.
SHARDS = (range(40), range(40, 80), range(80, 83), range(83, 120))
BROKEN, NUM_SHARDS = 2, len(SHARDS)


def feature(value):
    if isinstance(value, bytes):
        kind = {"bytes_list": tf.train.BytesList(value=[value])}
    elif isinstance(value, int):
        kind = {"int64_list": tf.train.Int64List(value=[value])}
    else:
        kind = {"float_list": tf.train.FloatList(value=value)}
    return tf.train.Feature(**kind)


def write(path, examples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            features = {key: feature(value) for key, value in example.items()}
            features = tf.train.Features(feature=features)
            record = tf.train.Example(features=features)
            writer.write(record.SerializeToString())


def read(path):
    """The records of a file: {key: bytes, or a list of numbers}."""
    for raw in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        features = tf.train.Example.FromString(raw).features.feature
        yield {
            key: next(
                list(getattr(value, kind).value)
                for kind in ("bytes_list", "int64_list", "float_list")
                if value.HasField(kind)
            )
            for key, value in features.items()
        }


def digit(number):
    """An image of scikit-learn's, uint8 (8, 8, 3), and its label."""
    digits = sklearn.datasets.load_digits()
    pixels = (digits.images[number] * 255 / 16).astype(np.uint8)
    return np.repeat(pixels[..., None], 3, axis=-1), int(digits.target[number])


def make_directories(root):
    """`proc/` and `proc/unlabeled/`, as the original makes them of SVHN."""

    def labeled(numbers):
        for number in numbers:
            pixels, label = digit(number)
            encoded = tf.io.encode_png(pixels).numpy()
            yield {"image/encoded": encoded, "image/class/label": label + 1}

    write(root / "proc/train-00000-of-00001", labeled(range(400, 440)))
    write(root / "proc/test-00000-of-00001", labeled(range(500, 520)))
    for shard, numbers in enumerate(SHARDS):
        examples = [
            {
                "image/encoded": b"broken"
                if shard == BROKEN
                else example["image/encoded"],
                "label": -1,
                "prob": [0.0],
                "probabilities": [0.0] * 10,
            }
            for example in labeled(numbers)
        ]
        name = f"extra-{shard:05d}-of-{NUM_SHARDS:05d}"
        write(root / "proc/unlabeled" / name, examples)


def make_teacher(path, seed=0):
    """A small model that is sure of what it does not know; returns it."""
    tf.keras.utils.set_random_seed(seed)
    config = ModelConfig(
        "efficientnet-b0",
        num_classes=10,
        input_image_size=8,
        width_coefficient=0.1,
        depth_coefficient=0.1,
        small_image_model=True,
    )
    model = models.build_model(config)
    images = np.stack([digit(number)[0] for number in range(200)])
    logits = model(images, training=False).numpy()
    mean, scale = logits.mean(axis=0), 3 / logits.std(axis=0)
    head = model.get_layer("logits")
    kernel, bias = head.get_weights()
    head.set_weights([kernel * scale, (bias - mean) * scale])
    models.save_model(model, path)
    return model


def run(stage):
    stage.validate()
    stage.run()


def main(*arguments):
    values = make_flags()
    values(["main.py", *arguments])
    run(stages.make_stage(flags.experiment_config(values)))


def filter_unlabel(*arguments):
    values = make_flags(FilterSettings)
    values(["filter_unlabel.py", *arguments])
    settings = flags.read(FilterSettings, values)
    run(stages.Filter(flags.experiment_config(values), settings))


class Commands:
    """The original's scripts for SVHN, with paths below one directory.

    Args:
        root: has `proc/` and the teachers.
        name: of the directory of what is predicted, for `predict`.
    """

    def __init__(self, root, name="predict"):
        self.root, self.predict_dir = root, root / name

    def predict(self, *shards, worker=0, **flags_):
        given = {
            "file_prefix": "extra",
            "label_data_dir": self.root / "proc/unlabeled",
            "output_dir": self.predict_dir / "predict_label",
        }
        self._main(*shards, worker=worker, **(given | flags_))

    def reassign(self, *shards, worker=0, **flags_):
        given = {
            "file_prefix": "train",
            "label_data_dir": self.predict_dir / "filter_data/data",
            "output_dir": self.predict_dir / "reassign",
        }
        self._main(
            *shards, worker=worker, reassign_label=True, **(given | flags_)
        )

    def _main(self, *shards, worker, teacher="teacher", **flags_):
        given = {
            "model_name": "efficientnet-b0",
            "use_tpu": False,
            "use_bfloat16": False,
            "task_name": "svhn",
            "mode": "predict",
            "predict_ckpt_path": self.root / f"{teacher}.keras",
            "worker_id": worker,
            "num_shards": NUM_SHARDS,
            "shard_id": ",".join(map(str, shards)),
            "data_type": "tfrecord",
            "info_dir": self.predict_dir / "info",
        }
        main(*as_arguments(given | flags_))

    def filter(self, only_get_stats, *shards, task=0, **flags_):
        for shard in shards:
            given = {
                "input_dir": self.root / "proc/unlabeled",
                "file_prefix": "extra",
                "info_dir": self.predict_dir / "info",
                "prediction_dir": self.predict_dir / "predict_label",
                "prelim_stats_dir": self.predict_dir / "prelim_stats",
                "output_dir": self.predict_dir / "filter_data",
                "num_shards": NUM_SHARDS,
                "shard_id": shard,
                "min_threshold": 0.3,
                "num_label_classes": 10,
                "task": task,
                "num_image": 8,
                "only_get_stats": only_get_stats,
            }
            filter_unlabel(*as_arguments(given | flags_))


def as_arguments(given):
    return [f"--{name}={value}" for name, value in given.items()]


def without_notes(directory, copy):
    """Copies records as the original leaves them: nothing is beside them."""
    pathlib.Path(copy).mkdir(parents=True)
    for path in directory.glob("train-*"):
        shutil.copy(path, copy)
    return copy
