"""A run directory of self-training in which every number was made up."""

import csv
import dataclasses

import numpy as np
import tensorflow as tf

from noisy_student.config import (
    DataConfig,
    ExperimentConfig,
    SelfTrainingConfig,
    TrainConfig,
)
from noisy_student.files import metrics_file, run_directory, writing
from noisy_student.report.labels import Example, Labels

NAMES = ("cat", "dog", '<b>fox</b> & "co"')
ACCURACIES = (0.5, 0.7, 0.75)
TEST_IMAGES = 200


def png(grey=0, side=8):
    return tf.io.encode_png(np.full([side, side, 3], grey, np.uint8)).numpy()


def make(directory, students=2, finished=3, **config):
    """Leaves a run with so many students, of which some may not be done."""
    settings = ExperimentConfig(
        model_dir=str(directory),
        data=DataConfig("cifar10", num_labeled=100),
        train=TrainConfig("noisy_student", unlabel_ratio=3.0),
        self_training=SelfTrainingConfig(students),
    )
    settings = dataclasses.replace(settings, **config)
    run_directory.claim(directory, settings)
    run_directory.write_class_names(directory, NAMES)
    rows = []
    for number, accuracy in enumerate(ACCURACIES[:finished]):
        own = run_directory.generation_directory(directory, number)
        make_training(own, accuracy)
        rows.append(row(number, accuracy))
    writing.write_json(directory / "results.json", {"generations": rows})


def make_training(directory, accuracy, scalars=("train/loss", "train/lr")):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.keras").touch()
    with tf.summary.create_file_writer(str(directory)).as_default():
        for step in (10, 20, 30):
            for name in scalars:
                tf.summary.scalar(name, 1 / step, step)
    line = {
        "step": 30,
        "top_1_accuracy": accuracy,
        "num_images": TEST_IMAGES,
        "seconds": 12.0,
    }
    metrics_file.append(directory, line)


def row(number, accuracy):
    return {
        "generation": number,
        "model_name": "efficientnet-b0",
        "top_1_accuracy": accuracy,
        "num_images": 100 + 50 * number,
        "pseudo_labels": {"kept": 50, "records": 60, "accuracy": 0.9},
        "seconds": 12.0,
    }


def make_evaluation(directory, generations=3):
    """Leaves what `--mode=eval` does."""
    reliability = [
        {
            "low": low / 10,
            "high": (low + 1) / 10,
            "images": low,
            "accuracy": low / 10,
            "confidence": low / 10 + 0.05,
        }
        for low in range(10)
    ]
    found = {}
    for number, accuracy in enumerate(ACCURACIES[:generations]):
        name = f"generation_{number:02d}"
        found[name] = {
            "test": {
                "top_1_accuracy": accuracy,
                "top_1_accuracy_95": [accuracy - 0.03, accuracy + 0.03],
                "num_images": 1000,
                "reliability": reliability,
            }
        }
        if number:
            gain = accuracy - ACCURACIES[0]
            found[name]["test"] |= {
                "top_1_gain": gain,
                "top_1_gain_95": [gain - 0.01, gain + 0.01],
            }
        rows = [["true / predicted", *NAMES]]
        rows += [[each, 7, 1, 0] for each in NAMES]
        write_csv(directory / f"evaluation/{name}/test/confusion.csv", rows)
    writing.write_json(directory / "evaluation/evaluation.json", found)


def make_audit(directory):
    """Leaves what tools/audit.py does."""
    own = directory / "audit/generation_02"
    summary = {"generation": 2, "teacher": 1, "student_agreement": 0.75}
    writing.write_json(own / "audit.json", summary)
    writing.write_bytes(own / "disputed/0001.png", png(77))
    header = (
        "file,pseudo_label,teacher_probability,student_prediction,"
        "student_probability,true_label"
    )
    line = "disputed/0001.png,cat,0.4,dog,0.9,dog"
    (own / "disputed.csv").write_text(f"{header}\n{line}\n")


def make_robustness(directory):
    """Leaves what `--mode=robustness` does."""
    scores = {"corruptions": {"corrupted_error": 0.25}}
    models = {f"generation_{n:02d}": {"scores": scores} for n in range(3)}
    writing.write_json(directory / "robustness/robustness.json", models)
    suites = {
        "corruptions": {"severities": [1, 5], "errors": {"fog": [0.1, 0.4]}},
        "adversarial": {"epsilons": [0, 4], "accuracies": {"pgd": [0.9, 0.1]}},
    }
    for model in models:
        for suite, found in suites.items():
            path = directory / f"robustness/{model}/{suite}.json"
            writing.write_json(path, {"results": found})


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def labels(generation=2, classes=3, **changes):
    """Pseudo labels of 5 images a class, of which 3 are kept."""
    histogram = np.zeros([classes, 101], int)
    histogram[:, [20, 30, 60, 99, 100]] = 1
    found = Labels(
        generation=generation,
        predicted=[5] * classes,
        above=[4] * classes,
        kept=[3] * classes,
        records=[6] * classes,
        thresholds=[0.3] * classes,
        min_threshold=0.25,
        accuracy=0.9,
        undecodable=1,
        seconds=3.0,
        histogram=histogram,
        examples=[
            Example(png(10), 0, 0.9, 1, True),
            Example(png(20), 0, 0.2, -1, False),
            Example(png(30), 2, 0.8, 2, True),
            Example(png(40), 2, 0.7, 3, False),
            Example(b"broken", 2, 0.8, 2, True),
        ],
    )
    return dataclasses.replace(found, **changes)
