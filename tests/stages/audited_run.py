"""An audit of a made run whose every answer is known.

There are three classes; images are of one grey each, and the student takes
the class whose hundred is nearest: 0, 100 or 200.
"""

import csv
import dataclasses

import keras
import numpy as np
import tensorflow as tf
from scipy.special import softmax

from noisy_student import models, pseudo_labels, report, tasks
from noisy_student.config import (
    DataConfig,
    PseudoLabelConfig,
    RunConfig,
    SelfTrainingConfig,
)
from noisy_student.config.tools import AuditSettings
from noisy_student.data import records, sources
from noisy_student.files import run_directory, shards, writing
from noisy_student.stages import (
    Audit,
    generations,
    predict,
)
from noisy_student.stages import experiment as experiment_module
from tests.settings import experiment

ONE_DEVICE = RunConfig("one_device")
CLASSES = ("nought", "one", "two")
SURE = 10.0  # of the student; larger is surer
# Of each unlabelled image its grey, true class, pseudo label, and the
# teacher's probability for that, exact in float32.
IMAGES = (
    (0, 0, 0, 0.875),
    (100, 1, 1, 0.8125),
    (200, 2, 0, 0.6875),  # the teacher is wrong, the student sees it
    (110, -1, 1, 0.9375),
    (120, 0, 1, 0.625),  # both are wrong
    (60, 1, 1, 0.4375),  # below the threshold
    (None, 1, 0, 0.0),  # cannot be decoded
    (180, 2, 2, 0.5),
)
KEPT = (0, 2, 4, 1, 3, 7)  # in the order of the two shards


def png(grey):
    if grey is None:
        return b"broken"
    return tf.io.encode_png(np.full([8, 8, 3], grey, np.uint8)).numpy()


def source_of(images, name):
    examples = {
        "encoded": [png(grey) for grey, *_ in images],
        "label": np.array([truth for _, truth, *_ in images], np.int64),
        "index": np.arange(len(images)),
    }
    return sources.ImageSource(
        len(images),
        lambda: tf.data.Dataset.from_tensor_slices(examples),
        name,
    )


def make_model(sure=SURE):
    """Logits are -sure (grey / 100 - class)^2, less what all have alike."""
    classes = np.arange(3)
    dense = keras.layers.Dense(3)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 100),
            keras.layers.GlobalAveragePooling2D(),
            dense,
        ]
    )
    weights = np.tile(2 * sure * classes / 3, (3, 1))
    dense.set_weights([weights, -sure * classes**2])
    return model


def probabilities_of(grey, sure=SURE):
    return softmax(-sure * (grey / 100 - np.arange(3)) ** 2)


def first_teachers(encoded):
    """The probabilities of an image as `IMAGES` has them."""
    [(label, top)] = [image[2:] for image in IMAGES if png(image[0]) == encoded]
    row = np.full(3, (1 - top) / 2 if top else 0.0)
    row[label] = top
    return row


def write_predictions(files, data, probabilities, teacher):
    """Those of all shares, by a function of an encoded image."""
    made_from = {"images": data.identity, "teacher": models.digest(teacher)}
    for share in files.shares():
        images = files.images(data.unlabeled, share).read()
        own = [
            probabilities(example["encoded"])
            for example in images.as_numpy_iterator()
        ]
        with shards.shard_writer(files.predictions(share)) as writer:
            for row in own:
                writer.write(records.encode_prediction(row))
        info = {"image_num": len(own), "seconds": 1.0}
        stamp = {"made_from": files.stamp(made_from)}
        writing.write_json(files.info(share), info | stamp)


@dataclasses.dataclass
class Run:
    """A run of self-training with one student, as it would be left."""

    directory: object
    config: object
    data: object

    @property
    def labels(self):
        return self.directory / "generation_01/pseudo_labels"

    def save_results(self, teachers):
        """A generation for each, named by its teacher."""
        rows = [
            {"generation": number, "teacher": teacher}
            for number, teacher in enumerate(teachers)
        ]
        report.save_results(self.config, {"generations": rows})

    def save_config(self, **changes):
        self.config = dataclasses.replace(self.config, **changes)
        path = self.directory / run_directory.CONFIG_FILE
        writing.write_json(path, dataclasses.asdict(self.config))

    def stage(self, run=ONE_DEVICE, **settings):
        config = experiment(self.directory)
        config = dataclasses.replace(config, run=run)
        return Audit(config, AuditSettings(**settings))

    def audit(self, **settings):
        stage = self.stage(**settings)
        stage.validate()
        stage.run()

    def rows(self, name, generation=1):
        folder = self.directory / f"audit/generation_{generation:02d}"
        with open(folder / name, newline="") as file:
            return list(csv.DictReader(file))


def make(tmp_path, monkeypatch):
    """Leaves what a run with one student does."""
    unlabeled = source_of(IMAGES, "the greys")
    some = source_of(IMAGES[:3], "three greys")
    data = sources.TaskData(
        tasks.generic_task("made up", num_classes=3, side=8),
        some,
        unlabeled,
        some,
        {"task_name": "made up", "seed": None},
        CLASSES,
    )
    monkeypatch.setattr(experiment_module, "open_task", lambda *_: data)
    config = dataclasses.replace(
        experiment(tmp_path / "run", unlabel_ratio=2),
        data=DataConfig("digits"),
        pseudo_labels=PseudoLabelConfig(
            num_image=6, min_threshold=0.5, num_shards=2
        ),
        self_training=SelfTrainingConfig(1),
        run=ONE_DEVICE,
    )
    made = Run(tmp_path / "run", config, data)
    run_directory.claim(made.directory, config)
    for number, sure in ((0, 2 * SURE), (1, SURE)):
        folder = run_directory.generation_directory(made.directory, number)
        models.save_model(make_model(sure), folder / "model.keras")
    files = predict.label_files(config, made.labels)
    teacher = made.directory / "generation_00/model.keras"
    write_predictions(files, data, first_teachers, teacher)
    seed = generations.plan(config, 3)[1].trainings[0].seed
    pseudo_labels.filter_and_balance(
        data, files, made.labels, config.pseudo_labels, seed
    )
    made.save_results([None, 0])
    return made
