"""An audit of a made run whose every answer is known.

There are three classes; images are of one grey each, and the student takes
the class whose hundred is nearest: 0, 100 or 200.
"""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
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
from noisy_student.errors import InputError
from noisy_student.files import run_directory, shards, writing
from noisy_student.pseudo_labels import stats
from noisy_student.stages import (
    Audit,
    audit,
    generations,
    labels,
    predict,
)
from noisy_student.stages import experiment as experiment_module
from noisy_student.stages.experiment import Experiment
from noisy_student.training import distribution
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


@pytest.fixture
def run(tmp_path, monkeypatch):
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


def numbers(row, *names):
    """Cells as numbers; None where they are empty."""
    return [float(row[name]) if row[name] else None for name in names]


def test_classes_are_counted(run, capsys):
    run.audit()
    counted = "predicted predicted_known predicted_accuracy kept kept_known "
    names = f"{counted}kept_accuracy records student_agreement".split()
    rows = run.rows("per_class.csv")
    assert [row["class"] for row in rows] == list(CLASSES)
    expected = (
        [2, 2, 1 / 2, 2, 2, 1 / 2, 6, 1 / 2],
        [4, 3, 2 / 3, 3, 2, 1 / 2, 6, 1],
        [1, 1, 1, 1, 1, 1, 6, 1],
    )
    for row, values in zip(rows, expected, strict=True):
        assert numbers(row, *names) == pytest.approx(values)
    lines = capsys.readouterr().out.strip().split("\n")
    assert lines[0].startswith("There are no validation images")
    summary = json.loads(lines[-1])
    folder = run.directory / "audit/generation_01"
    assert summary.pop("directory") == str(folder)
    assert json.loads((folder / "audit.json").read_text()) == summary
    assert summary == {
        "generation": 1,
        "teacher": 0,
        "predicted": 7,
        "undecodable": 1,
        "predicted_accuracy": pytest.approx(4 / 6),
        "kept": 6,
        "records": 18,
        "kept_accuracy": pytest.approx(3 / 5),
        "student_agreement": pytest.approx(5 / 6),
        "teacher_calibration_error": None,
    }
    # The class that the student disputes most comes first.
    assert [" ".join(line.split()) for line in lines[3:-1]] == [
        "nought 2 50.00 % 2 50.00 % 6 50.00 %",
        "one 4 66.67 % 3 50.00 % 6 100.00 %",
        "two 1 100.00 % 1 100.00 % 6 100.00 %",
        "all 7 66.67 % 6 60.00 % 18 83.33 %",
    ]
    assert not (folder / "calibration.csv").exists()


def test_confidences_are_counted(run):
    run.audit()
    rows = run.rows("confidence.csv")
    assert len(rows) == 20
    assert numbers(rows[8], "low", "high") == [0.4, 0.45]
    counted = ("predicted", "predicted_accuracy", "kept", "kept_accuracy")
    assert numbers(rows[8], *counted) == [1, 1, 0, None]
    kept = {
        float(row["low"]): numbers(row, "kept", "kept_known", "kept_accuracy")
        for row in rows
        if row["kept"] != "0"
    }
    assert kept == {
        0.5: [1, 1, 1],
        0.6: [1, 1, 0],
        0.65: [1, 1, 0],
        0.8: [1, 1, 1],
        0.85: [1, 1, 1],
        0.9: [1, 0, None],
    }


def test_the_disputed_come_in_the_order_of_the_students_probability(run):
    run.audit()
    rows = run.rows("disputed.csv")
    folder = run.directory / "audit/generation_01"
    answers = {place: probabilities_of(IMAGES[place][0]) for place in KEPT}
    order = sorted(KEPT, key=lambda place: answers[place][IMAGES[place][2]])
    assert order[:2] == [2, 4]
    for rank, (place, row) in enumerate(zip(order, rows, strict=True), 1):
        grey, truth, label, top = IMAGES[place]
        prediction = answers[place].argmax()
        assert row["generation"] == "1"
        assert row["image"] == f"image {place} of the greys"
        assert numbers(row, "shard", "place") == [place % 2, place // 2]
        name = f"{rank:04d}_pseudo_{label}_student_{prediction}.png"
        assert row["file"] == f"disputed/{name}"
        assert (folder / row["file"]).read_bytes() == png(grey)
        assert row["pseudo_label"] == CLASSES[label]
        assert row["student_prediction"] == CLASSES[prediction]
        assert row["true_label"] == (CLASSES[truth] if truth >= 0 else "")
        found = numbers(
            row, "teacher_probability", "student_probability", "self_confidence"
        )
        expected = [top, answers[place].max(), answers[place][label]]
        assert found == pytest.approx(expected, abs=2e-6)


def test_fewer_disputed_images_replace_more(run):
    run.audit()
    run.audit(num_disputed=2)
    assert len(run.rows("disputed.csv")) == 2
    folder = run.directory / "audit/generation_01"
    assert sorted(path.name for path in (folder / "disputed").iterdir()) == [
        "0001_pseudo_0_student_2.png",
        "0002_pseudo_1_student_1.png",
    ]
    assert not list(run.directory.rglob("tmp.*"))


@pytest.mark.parametrize("size", [2, 4])
def test_devices_and_batches_make_no_difference(
    run, size, two_replicas, monkeypatch
):
    run.audit()
    expected = [run.rows(name) for name in ("per_class.csv", "disputed.csv")]
    devices = distribution.Devices(two_replicas)
    monkeypatch.setattr(predict, "local_devices", lambda *_: devices)
    run.audit(run=RunConfig("one_device", eval_batch_size=size))
    found = [run.rows(name) for name in ("per_class.csv", "disputed.csv")]
    assert found == expected


def test_the_teacher_is_calibrated_on_validation_images(
    run, capsys, monkeypatch
):
    images = [(0, 0), (100, 0), (200, 2), (150, 1), (190, 1)]
    validation = source_of(images, "validation")
    monkeypatch.setattr(Experiment, "validation", validation)
    run.audit()
    out = capsys.readouterr().out
    assert "There are no validation images" not in out
    # At 150 the classes 1 and 2 are equally likely; the others are sure.
    rows = run.rows("calibration.csv")
    filled = [row for row in rows if row["images"] != "0"]
    half, full = (
        numbers(row, "images", "accuracy", "confidence") for row in filled
    )
    confidences = [
        probabilities_of(grey, 2 * SURE).max() for grey in (0, 100, 200, 190)
    ]
    assert half == pytest.approx([1, 1, 0.5])
    assert full == pytest.approx([4, 0.5, np.mean(confidences)])
    error = (0.5 + 4 * (np.mean(confidences) - 0.5)) / 5
    summary = json.loads(out.strip().split("\n")[-1])
    assert summary["teacher_calibration_error"] == pytest.approx(error)
    picture = run.directory / "audit/generation_01/calibration.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def label_again(run, **loop):
    """A second student, whose images are the records of the first."""
    settings = SelfTrainingConfig(2, filter_once=True, **loop)
    run.save_config(self_training=settings)
    devices = distribution.make_devices(run.config.run)
    opened = Experiment(run.config, run.data, devices)
    again = labels.of_filtered_images(opened, run.labels)
    generation = generations.plan(run.config, 3)[2]
    files = predict.label_files(again.config, generation.labels)
    teacher = run.directory / "generation_01/model.keras"
    write_predictions(files, again.data, lambda _: [0.25, 0.5, 0.25], teacher)
    pseudo_labels.filter_and_balance(
        again.data,
        files,
        generation.labels,
        again.config.pseudo_labels,
        generation.trainings[0].seed,
    )
    models.save_model(make_model(), generation.model)
    run.save_results([None, 0, 1])


def test_images_that_were_only_labelled_again(run, capsys):
    """They are records, whose true labels are unknown."""
    label_again(run)
    run.audit()
    summary = json.loads(capsys.readouterr().out.strip().split("\n")[-1])
    assert (summary["generation"], summary["teacher"]) == (2, 1)
    assert summary["predicted"] == summary["kept"] == summary["records"] == 18
    assert summary["kept_accuracy"] is None
    # Six records are of the class that the student answers; see IMAGES.
    assert summary["student_agreement"] == pytest.approx(6 / 18)
    rows = run.rows("disputed.csv", generation=2)
    assert {row["true_label"] for row in rows} == {""}
    assert "train-0000" in rows[0]["image"]
    # The first student's are still there.
    run.audit(generation=1)
    assert len(run.rows("disputed.csv")) == 6


def test_without_those_records_they_cannot_be_audited(run):
    label_again(run, keep_pseudo_labels="last")
    writing.remove(run.labels / "data")
    message = (
        r"generation_01/pseudo_labels/data, which the audit needs, is not "
        r"there: keep_pseudo_labels=last removed it"
    )
    with pytest.raises(ValueError, match=message):
        run.stage().validate()


def refused(made, message, error=ValueError, **settings):
    stage = made.stage(**settings)
    with pytest.raises(error, match=message):
        stage.validate()
    assert not (made.directory / audit.AUDIT_DIR).exists()


def test_a_missing_run_is_named(run, tmp_path):
    run.directory = tmp_path / "other"
    refused(run, "There is no run in .*other, which has no config.json")
    stage = Audit(experiment(""), AuditSettings())
    with pytest.raises(ValueError, match="model_dir must be set"):
        stage.validate()


def test_a_run_without_pseudo_labels_is_refused(run):
    run.save_config(mode="train")
    refused(run, "has no pseudo labels of its own: it is of mode=train")


def test_a_run_without_a_student_is_refused(run):
    run.save_results([None])
    refused(run, "No student of .*run is finished")


def test_a_student_that_is_not_there_is_refused(run):
    refused(run, "generation must be from 1 to 1, .*; got 2", generation=2)
    with pytest.raises(ValueError, match="generation must be at least 1"):
        AuditSettings(generation=0)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("last", "keep_pseudo_labels=last removed it"),
        ("all", "it was removed"),
    ],
)
def test_removed_predictions_are_named(run, rule, why):
    run.save_config(
        self_training=SelfTrainingConfig(1, keep_pseudo_labels=rule)
    )
    writing.remove(run.labels / "predictions")
    refused(run, f"pseudo_labels/predictions, which .* {why}")


def test_missing_files_are_named(run):
    (run.labels / "predictions/train-info-00001-of-00002-00000").unlink()
    refused(run, "Predictions of the shards 1 of 2 are missing")
    (run.labels / stats.STATS_FILE).unlink()
    refused(run, "pseudo_labels has no stats.json")
    (run.directory / "generation_01/model.keras").unlink()
    refused(run, "There is no model at .*generation_01")


def test_another_teacher_is_refused(run):
    path = run.directory / "generation_00/model.keras"
    models.save_model(make_model(1.0), path)
    refused(run, "was made of something else: teacher=", InputError)


def test_other_images_are_refused(run):
    run.data.identity["seed"] = 1
    refused(run, "seed=None there and 1 here", InputError)


def test_several_workers_are_refused(run):
    workers = RunConfig("multi_worker")
    refused(run, "an audit is one process", run=workers)


def test_a_batch_must_divide_by_the_replicas(run, two_replicas, monkeypatch):
    devices = distribution.Devices(two_replicas)
    monkeypatch.setattr(predict, "local_devices", lambda *_: devices)
    odd = RunConfig("one_device", eval_batch_size=3)
    refused(run, "eval_batch_size", run=odd)


def test_changed_statistics_are_refused(run):
    found = pseudo_labels.PseudoLabelStats.load(run.labels)
    other = dataclasses.replace(found, kept_per_class=[3, 2, 1])
    path = run.labels / stats.STATS_FILE
    writing.write_json(path, dataclasses.asdict(other))
    with pytest.raises(InputError, match=r"its stats.json says \[3, 2, 1\]"):
        run.audit()
