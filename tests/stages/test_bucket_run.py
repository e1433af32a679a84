"""A whole run in a bucket: from images to records, students and an export."""

import csv
import io
import json

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import models, report, stages
from noisy_student.config import named
from noisy_student.config.tools import MakeSettings, ReportSettings
from noisy_student.files import metrics_file, remote, run_directory, writing
from noisy_student.make_records import MakeRecords
from tests.models import short

CLASSES = ("dark", "light")
TINY = {
    "input_image_size": 16,
    "num_iterations": 1,
    "model_name": "tests.networks:tiny",
    "train_batch_size": 4,
    "eval_batch_size": 8,
    "unlabel_ratio": 1,
    "train_steps": 4,
    "warmup_epochs": 0,
    "teacher_softmax_temp": 1,
    "moving_average_decay": 0.5,
    "min_threshold": 0.0,
    "num_image": 4,
    "num_shards": 2,
    "save_checkpoints_steps": 2,
    "steps_per_eval": 2,
    "iterations_per_loop": 2,
    "samples_per_class": 1,
}


def write_images(directory):
    """train/CLASS, test/CLASS and unlabelled, two images of each class."""
    generator = np.random.default_rng(0)
    for split in ("train", "test", "unlabelled"):
        for label, name in enumerate(CLASSES):
            folder = "" if split == "unlabelled" else name
            for number in range(4):
                pixels = generator.integers(0, 128, (16, 16, 3)) + 127 * label
                encoded = tf.io.encode_png(pixels.astype(np.uint8)).numpy()
                path = directory / split / folder / f"{name}_{number}.png"
                writing.write_bytes(path, encoded)


def carry_out(**settings):
    """Runs the stage of a mode, as main.py does."""
    (config,) = named.experiment(settings)
    return finish(stages.make_stage(config))


def finish(stage):
    stage.validate()
    stage.run()
    return stage


@pytest.fixture(autouse=True)
def short_network():
    with short.networks():
        yield


@pytest.mark.slow
def test_a_whole_run_is_in_a_bucket(bucket):
    write_images(bucket / "images")
    made = MakeSettings(
        input_dir=str(bucket / "images"),
        output_dir=str(bucket / "records"),
        num_shards=2,
        num_workers=1,
    )
    finish(MakeRecords(made))
    assert writing.read_json(bucket / "records/counts.json") == {
        name: [4, remote.size(bucket / "records" / name)]
        for split in ("test", "train", "unlabelled")
        for name in (f"{split}-00000-of-00002", f"{split}-00001-of-00002")
    }
    run = bucket / "run"
    images = {"label_data_dir": str(bucket / "records")}
    carry_out(mode="self_train", model_dir=str(run), **images, **TINY)
    rows = writing.read_json(run / report.RESULTS_FILE)["generations"]
    assert [row["role"] for row in rows] == ["teacher", "student"]
    assert rows[1]["pseudo_labels"]["kept"] > 0
    assert "<html" in (run / "report.html").read_text()
    assert remote.glob(run, "generation_01/events.out.tfevents.*")
    check_resuming(run, images)
    check_report(bucket, run)
    check_export(bucket, run)
    check_labels(bucket, run)


def check_resuming(run, images):
    """What is missing is made again, from the last checkpoint."""
    student = run_directory.generation_directory(run, 1)
    checkpoints = student / "checkpoints"
    steps = [path.name for path in remote.glob(checkpoints, "*.index")]
    assert steps == ["ckpt-2.index", "ckpt-4.index"]
    lost = [run / report.RESULTS_FILE, run / "model.keras"]
    lost += [student / "model.keras", *remote.glob(checkpoints, "ckpt-4.*")]
    for path in lost:
        path.unlink()
    carry_out(mode="self_train", model_dir=str(run), **images, **TINY)
    assert len(writing.read_json(lost[0])["generations"]) == 2
    assert models.digest(lost[1]) == models.digest(lost[2])
    lines = metrics_file.read(student)
    assert [line["step"] for line in lines] == [2, 4]


def check_report(bucket, run):
    """The report's chart, and its images, are read from the bucket."""
    settings = {"model_dir": str(run), "chart": str(bucket / "chart.svg")}
    config, own = named.experiment(settings, ReportSettings)
    (run / "report.html").unlink()
    finish(stages.Report(config, own))
    assert "<svg" in (bucket / "chart.svg").read_text()
    assert "data:image/png;base64" in (run / "report.html").read_text()


def check_export(bucket, run):
    """A SavedModel and a .keras file, which answer as the model does."""
    path = bucket / "export"
    settings = {"model_dir": str(run), "export_dir": str(path)}
    settings |= {"format": ["saved_model", "keras"], "central_crop": False}
    carry_out(mode="export", **settings)
    assert json.loads((path / "made_from.json").read_text())["format"]
    loaded = tf.saved_model.load(str(path / "saved_model/1"))
    images = np.random.default_rng(1).uniform(0, 255, (3, 16, 16, 3))
    images = images.astype(np.float32)
    answer = loaded.signatures["serving_default"](images=images)["logits"]
    expected = models.load_model(run / "model.keras")(images, training=False)
    np.testing.assert_allclose(answer, expected, atol=1e-3)
    stage = carry_out(mode="export", **settings)
    assert stage.is_done


def check_labels(bucket, run):
    """The classes of a folder's images as a CSV file."""
    path = bucket / "labels.csv"
    carry_out(
        mode="predict",
        predict_ckpt_path=str(run),
        image_dir=str(bucket / "images/unlabelled"),
        output=str(path),
    )
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["path"] for row in rows[::4]] == ["dark_0.png", "light_0.png"]
    assert {row["class"] for row in rows} <= {*CLASSES}
