"""A whole run in a bucket: from images to records, students and an export."""

import csv
import io
import json

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import models, report, stages
from noisy_student.config import named
from noisy_student.config.tools import (
    AuditSettings,
    FilterSettings,
    MakeSettings,
    ReportSettings,
)
from noisy_student.files import remote, run_directory, writing
from noisy_student.make_records import MakeRecords

CLASSES = ("dark", "light")
TINY = {
    "input_image_size": 16,
    "num_iterations": 1,
    "width_coefficient": 0.1,
    "depth_coefficient": 0.1,
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


@pytest.mark.slow
def test_a_whole_run_is_in_a_bucket(bucket, capsys):
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
    check_tools(bucket, run, images)
    check_export(bucket, run)
    check_labels(bucket, run)


def check_resuming(run, images):
    """What is missing is made again, from the last checkpoint."""
    student = run_directory.generation_directory(run, 1)
    before = models.digest(student / "model.keras")
    steps = [path.name for path in remote.glob(student / "checkpoints", "*")]
    assert {f"ckpt-{step}.index" for step in (2, 4)} <= {*steps}
    for name in ("model.keras", "results.json"):
        (run / name).unlink()
    (student / "model.keras").unlink()
    for path in remote.glob(student / "checkpoints", "ckpt-4.*"):
        path.unlink()
    carry_out(mode="self_train", model_dir=str(run), **images, **TINY)
    rows = writing.read_json(run / report.RESULTS_FILE)["generations"]
    assert len(rows) == 2
    again = models.load_model(student / "model.keras")
    assert models.digest(run / "model.keras") == models.digest(
        student / "model.keras"
    )
    lines = run_directory.read_metrics(student)
    assert [line["step"] for line in lines] == [2, 4]
    assert again.output_shape == (None, 2) and before


def check_tools(bucket, run, images):
    """Predicting, filtering, training, evaluating, auditing, reporting."""
    predicted, filtered = bucket / "predicted", bucket / "filtered"
    flags = images | {"num_shards": 2, "input_image_size": 16}
    carry_out(
        mode="predict",
        predict_ckpt_path=str(run),
        output_dir=str(predicted),
        **flags,
    )
    config, settings = named.experiment(
        flags
        | {
            "prediction_dir": str(predicted),
            "output_dir": str(filtered),
            "min_threshold": 0.0,
            "num_image": 4,
        },
        FilterSettings,
    )
    finish(stages.Filter(config, settings))
    train = {"unlabel_data_dir": str(filtered), "train_steps": 2}
    model = {"init_model_path": str(run), "model_dir": str(bucket / "trained")}
    carry_out(mode="train", **images | TINY | train | model)
    assert carry_out(
        mode="eval", model_dir=str(run), **images | TINY
    ).metrics.keys() >= {"top_1_accuracy"}
    config, settings = named.experiment({"model_dir": str(run)}, AuditSettings)
    finish(stages.Audit(config, settings))
    chart = {"chart": str(bucket / "chart.svg")}
    config, settings = named.experiment(
        {"model_dir": str(run)} | chart, ReportSettings
    )
    finish(stages.Report(config, settings))
    assert "<svg" in (bucket / "chart.svg").read_text()


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
    """The classes of a folder's images as a CSV file, by two models."""
    for name, model in (
        ("own", {"predict_ckpt_path": str(run)}),
        ("exported", {"model_path": str(bucket / "export/model.keras")}),
        ("saved", {"model_path": str(bucket / "export/saved_model/1")}),
    ):
        path = bucket / f"{name}.csv"
        carry_out(
            mode="predict",
            image_dir=str(bucket / "images/unlabelled"),
            output=str(path),
            input_image_size=16,
            **model,
        )
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        assert len(rows) == 8 and rows[0]["path"] == "dark_0.png"
