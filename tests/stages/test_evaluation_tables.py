"""What --mode=eval leaves on disk, and all generations side by side."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import config, models, stages
from noisy_student.evaluation import Answers
from noisy_student.report import evaluation as report
from noisy_student.stages.experiment import Experiment
from tests.stages.test_evaluate import MODEL, evaluate, make_config


def write_model(path, seed):
    keras.utils.set_random_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    models.save_model(models.build_model(MODEL), path)


@pytest.fixture(scope="module")
def generations(tmp_path_factory):
    """A self-training run of two students, of which one was fine-tuned."""
    directory = tmp_path_factory.mktemp("generations")
    for seed, place in enumerate(("00", "01", "02", "02/finetune")):
        write_model(directory / f"generation_{place}/model.keras", seed)
    write_model(directory / "model.keras", seed)
    return directory


def test_generations_stand_side_by_side(generations, tmp_path, capsys):
    settings = dataclasses.replace(
        make_config("eval", output_dir=str(tmp_path)),
        model_dir=str(generations),
    )
    stage = stages.make_stage(settings)
    stage.validate()
    stage.run()
    *table, last = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table] == [
        "model",
        *(f"generation_0{number}" for number in range(3)),
    ]
    newest = json.loads(last)
    assert newest["generation"] == 2 and "finetune" in newest["path"]
    summary = json.loads((tmp_path / "evaluation.json").read_text())
    images, labels = digits_of_test()
    for number, path in enumerate(
        ("00/model.keras", "01/model.keras", "02/finetune/model.keras")
    ):
        model = models.load_model(generations / f"generation_{path}")
        predicted = np.argmax(model(images), axis=1)
        scores = summary[f"generation_{number:02d}"]["test"]
        assert scores["top_1_accuracy"] == pytest.approx(
            np.mean(predicted == labels)
        )
        low, high = scores["top_1_accuracy_95"]
        assert low <= scores["top_1_accuracy"] <= high
        rows = read(tmp_path / f"generation_{number:02d}/test/confusion.csv")
        confusion = np.array([row[1:] for row in rows[1:]], int)
        np.testing.assert_array_equal(
            confusion.sum(axis=0), np.bincount(predicted, minlength=10)
        )
    assert newest["top_1_accuracy"] == scores["top_1_accuracy"]


def digits_of_test():
    """The test images as the models see them, and their labels."""
    opened = Experiment.open(make_config("eval"), devices=None)
    place = tf.distribute.InputContext()
    batches = opened.images_once(opened.data.test, 8, place)
    columns = [
        [batch[key] for batch in batches.as_numpy_iterator()]
        for key in ("image", "label")
    ]
    return [np.concatenate(column)[:400] for column in columns]


def read(path):
    with open(path) as file:
        return list(csv.reader(file))


def test_one_model_has_its_tables_in_its_run(tmp_path, capsys):
    write_model(tmp_path / "model.keras", 0)
    settings = dataclasses.replace(make_config("eval"), model_dir=str(tmp_path))
    metrics = evaluate(settings, capsys)
    tables = tmp_path / "evaluation/test"
    header, *classes = read(tables / "per_class.csv")
    assert header == ["class", "images", "accuracy", "precision", "f1"]
    assert sum(int(row[1]) for row in classes) == 400
    recalls = [float(row[2]) for row in classes]
    assert np.mean(recalls) == pytest.approx(metrics["mean_class_accuracy"])
    _, *bins = read(tables / "reliability.csv")
    assert len(bins) == 15 and sum(int(row[2]) for row in bins) == 400


def test_classes_without_images_leave_cells_empty(tmp_path):
    answers = Answers(
        labels=np.array([0, 0, 1]),
        predictions=np.array([0, 1, 1]),
        confidences=np.array([0.5, 0.6, 0.9]),
        losses=np.ones(3),
        in_top_5=np.ones(3, bool),
    )
    report.save_evaluation(
        tmp_path, {"model": {"test": answers}}, ("a", "b", "c"), 3
    )
    assert read(tmp_path / "test/per_class.csv")[1:] == [
        ["a", "2", "0.5", "1.0", "0.6666666666666666"],
        ["b", "1", "1.0", "0.5", "0.6666666666666666"],
        ["c", "0", "", "", ""],
    ]
    assert read(tmp_path / "test/confusion.csv") == [
        ["true / predicted", "a", "b", "c"],
        ["a", "1", "1", "0"],
        ["b", "0", "1", "0"],
        ["c", "0", "0", "0"],
    ]


def test_the_gain_over_the_teacher_is_paired():
    def answers(correct):
        correct = np.array(correct)
        return Answers(
            np.zeros(len(correct), int),
            1 - correct,
            np.full(len(correct), 0.5),
            np.ones(len(correct)),
            correct > 0,
        )

    teacher = answers([1, 0, 1, 0] * 25)
    better = answers([1, 1, 1, 0] * 25)
    table = report.format_generations(
        {"generation_00": {"test": teacher}, "generation_01": {"test": better}}
    )
    row = table.splitlines()[-1].split()
    assert row[2:4] == ["75.00", "%"] and row[7] == "+25.00"
    # No image got worse, so the interval is that of 25 successes in 100.
    low, high = float(row[8]), float(row[10])
    assert 15 < low < 19 and 32 < high < 35


def test_too_many_views_are_refused(generations):
    """The digits are not mirrored, which halves the views."""
    settings = dataclasses.replace(
        make_config("eval"),
        model_dir=str(generations),
        evaluation=config.EvaluationConfig(num_test_time_augmentations=10),
    )
    with pytest.raises(ValueError, match="more than the 9 views of an image"):
        stages.make_stage(settings).validate()
