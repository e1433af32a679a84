"""Which model --mode=export takes, what it leaves, and what it refuses."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import config, export, models, stages
from noisy_student.errors import InputError
from noisy_student.files import metrics_file, run_directory, writing
from tests.export.test_stock import SMALLEST, largest_distance, made
from tests.settings import experiment
from tests.stages import svhn

NAMES = tuple(f"digit {number}" for number in range(10))


def settings_of(directory, *formats, crop=None, **changes):
    formats = formats or ("keras",)
    settings = dataclasses.replace(
        experiment("none"),
        mode="export",
        model_dir=None,
        export=config.ExportConfig(str(directory), formats, crop),
    )
    return dataclasses.replace(settings, **changes)


def of_file(path):
    return {"predict": config.PredictConfig(predict_ckpt_path=str(path))}


def made_elsewhere(path, **settings):
    return {
        "evaluation": config.EvaluationConfig(model_path=str(path), **settings)
    }


def run_stage(settings):
    stage = stages.make_stage(settings)
    stage.validate()
    stage.run()


@pytest.fixture(scope="module")
def model():
    return made(SMALLEST)


@pytest.fixture
def run(tmp_path, model):
    """A finished run directory."""
    directory = tmp_path / "run"
    data = config.DataConfig("digits", num_labeled=30)
    train = config.TrainConfig("supervised", train_steps=7)
    settings = dataclasses.replace(
        experiment(directory), data=data, train=train, mode="train"
    )
    run_directory.claim(directory, settings)
    run_directory.write_class_names(directory, NAMES)
    models.save_model(model, directory / "model.keras")
    metrics = {"step": 7, "top_1_accuracy": 0.4321}
    metrics_file.append(directory, metrics)
    return directory


def export_run(run, directory, **changes):
    run_stage(settings_of(directory, model_dir=str(run), **changes))
    return directory


def images_of(model, seed=3):
    shape = (4, *model.input_shape[1:])
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_a_run_becomes_a_directory(run, tmp_path, model):
    made = export_run(run, tmp_path / "made")
    assert sorted(path.name for path in made.iterdir()) == [
        "README.md",
        "classes.txt",
        "made_from.json",
        "model.keras",
    ]
    assert run_directory.read_class_names(made) == NAMES
    stock = keras.saving.load_model(made / "model.keras")
    images = images_of(model)
    expected = model(images, training=False)
    assert largest_distance(stock(images), expected) < 1e-5


def test_the_same_export_is_not_made_again(run, tmp_path, capsys):
    made = export_run(run, tmp_path / "made")
    before = (made / "model.keras").stat()
    export_run(run, made)
    assert (made / "model.keras").stat() == before
    assert "has this export already" in capsys.readouterr().out
    again = settings_of(made, "saved_model", model_dir=str(run))
    with pytest.raises(InputError, match="holds another export: format="):
        stages.make_stage(again).validate()


def test_the_card_says_what_the_run_measured(run, tmp_path):
    first = export_run(run, tmp_path / "first").joinpath("README.md")
    text = first.read_text()
    for part in ("--train_steps=7", "--num_labeled=30", "digit 0, digit 1"):
        assert part in text
    assert "top-1 accuracy: 43.21 %" in text
    assert "Robustness\n\nNot measured." in text
    writing.write_json(
        run / "evaluation/evaluation.json",
        {"model": {"test": {"top_1_accuracy": 0.5, "reliability": []}}},
    )
    writing.write_json(
        run / "robustness/robustness.json",
        {"model": {"scores": {"adversarial": {"fgsm_accuracy": 0.25}}}},
    )
    second = export_run(run, tmp_path / "second").joinpath("README.md")
    assert "- test, top-1 accuracy: 50.00 %" in second.read_text()
    assert "- adversarial, fgsm accuracy: 25.00 %" in second.read_text()


def test_a_generation_has_its_own_figures_in_the_card(run, tmp_path):
    for directory in ["generation_00", "generation_01"]:
        (run / directory).mkdir()
        shutil.copy(run / "config.json", run / directory)
        (run / directory / "model.keras").hardlink_to(run / "model.keras")
    rows = [
        {"generation": number, "top_1_accuracy": 0.6 + number / 10}
        for number in range(2)
    ]
    writing.write_json(run / "results.json", {"generations": rows})
    for name, share in [
        (".", "70.00 %"),
        ("generation_00", "60.00 %"),
        ("generation_01/model.keras", "70.00 %"),
    ]:
        made = tmp_path / f"made_{len(name)}"
        run_stage(settings_of(made, **of_file(run / name)))
        assert f"top-1 accuracy: {share}" in (made / "README.md").read_text()
        assert run_directory.read_class_names(made) == NAMES


def test_without_a_run_classes_have_numbers(run, tmp_path):
    alone = shutil.copy(run / "model.keras", tmp_path / "alone.keras")
    run_stage(settings_of(tmp_path / "made", **of_file(alone)))
    names = run_directory.read_class_names(tmp_path / "made")
    assert names == tuple(f"class_{number:03d}" for number in range(10))
    text = (tmp_path / "made/README.md").read_text()
    assert "the model is not that of a run directory" in text
    assert "## Accuracy\n\nNot measured." in text


def test_a_checkpoint_of_the_original(tmp_path):
    settings = settings_of(
        tmp_path / "made",
        data=config.DataConfig("svhn_cropped"),
        model=svhn.MODEL,
        **of_file(svhn.CHECKPOINT),
    )
    run_stage(settings)
    images = np.load(svhn.CHECKPOINT.parent / "images.npy")
    stock = keras.saving.load_model(tmp_path / "made/model.keras")
    assert largest_distance(stock(images), svhn.LOGITS) < 1e-4


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A model with pixels in [0, 1] and probabilities, and what it answers."""
    keras.utils.set_random_seed(0)
    given = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(4, 3)(given)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(given, keras.layers.Dense(5, "softmax")(x))
    folder = tmp_path_factory.mktemp("elsewhere")
    model.save(folder / "model.keras")
    model.export(folder / "saved", verbose=False)
    images = images_of(model)
    return folder, images, model(images / np.float32(255))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.keras", "saved"])
def test_a_model_made_elsewhere(name, elsewhere, tmp_path):
    folder, images, probabilities = elsewhere
    declared = {"model_input_range": "0..1", "model_output": "probabilities"}
    run_stage(
        settings_of(
            tmp_path / "made",
            "saved_model",
            data=config.DataConfig(input_image_size=12),
            **made_elsewhere(folder / name, **declared),
        )
    )
    loaded = tf.saved_model.load(str(tmp_path / "made/saved_model/1"))
    answer = loaded.signatures["serving_default"]
    found = answer(images=tf.constant(images, tf.float32))["probabilities"]
    assert largest_distance(found, probabilities) < 1e-5


@pytest.mark.slow
def test_an_exported_model_is_evaluated_as_one_made_elsewhere(
    run, tmp_path, capsys
):
    """Its accuracy is that of the run's own model."""
    made = tmp_path / "made"
    run_stage(settings_of(made, "saved_model", model_dir=str(run)))
    capsys.readouterr()
    scores = []
    for named in (
        of_file(run / "model.keras"),
        made_elsewhere(made / "saved_model/1"),
    ):
        data = config.DataConfig(input_image_size=32)
        run_stage(settings_of(made, mode="eval", data=data, **named))
        scores.append(json.loads(capsys.readouterr().out))
    assert scores[0].pop("path") != scores[1].pop("path")
    assert scores[1] == pytest.approx(scores[0], rel=1e-4)


@pytest.mark.parametrize(
    ("variant", "crop", "side_seen"),
    [(None, None, "whole"), (None, True, "centre"), (False, None, "whole")],
)
def test_images_are_cropped_as_the_model_was_trained(
    variant, crop, side_seen, run, tmp_path
):
    """By the network, by the task where the run chose that, by the flag."""
    settings = json.loads((run / "config.json").read_text())
    settings["model"]["small_image_model"] = variant
    writing.write_json(run / "config.json", settings)
    made = tmp_path / "made"
    run_stage(settings_of(made, model_dir=str(run), crop=crop))
    made_from = writing.read_json(made / "made_from.json")
    assert made_from["central_crop"] == (side_seen == "centre")


def refused(settings, message):
    stage = stages.make_stage(settings)
    with pytest.raises(ValueError, match=message) as caught:
        stage.validate()
    assert "\n" not in str(caught.value)


def test_bad_input_is_refused_before_the_work(run, tmp_path, elsewhere):
    made, model_dir = tmp_path / "made", {"model_dir": str(run)}
    refused(settings_of(run, **model_dir), "is not empty and holds no export")
    refused(
        settings_of(run / "config.json", **model_dir), "config.json is a file"
    )
    without = dataclasses.replace(
        settings_of(made, **model_dir), export=config.ExportConfig()
    )
    refused(without, "export_dir must be set")
    refused(settings_of(made), "predict_ckpt_path or model_dir must be set")
    folder, _, _ = elsewhere
    refused(
        settings_of(
            made,
            "keras",
            "saved_model",
            **made_elsewhere(folder / "saved", model_output="probabilities"),
            data=config.DataConfig(input_image_size=12),
        ),
        "is a SavedModel and can only be exported with format=saved_model",
    )
    run_directory.write_class_names(run, NAMES[:9])
    refused(settings_of(made, **model_dir), "has 10 classes, and the run in")
    settings = json.loads((run / "config.json").read_text())
    settings["model"]["small_image_model"] = True
    settings["data"]["task_name"] = "mine"
    writing.write_json(run / "config.json", settings)
    refused(settings_of(made, **model_dir), "set central_crop or nocentral_c")
    assert not made.exists()


def test_a_format_whose_library_is_missing_says_what_to_install(
    run, tmp_path, monkeypatch
):
    onnx = dataclasses.replace(export.FORMATS["onnx"], needs=("json", "onyx"))
    monkeypatch.setitem(export.FORMATS, "onnx", onnx)
    settings = settings_of(tmp_path / "made", "onnx", model_dir=str(run))
    refused(settings, "format=onnx needs onyx: pip install -r requirements-exp")


def test_a_failure_leaves_nothing(run, tmp_path, monkeypatch):
    def write(exportable, path):
        path.write_text("half")
        raise InputError("no room")

    broken = dataclasses.replace(export.FORMATS["onnx"], write=write, needs=())
    monkeypatch.setitem(export.FORMATS, "onnx", broken)
    stage = stages.make_stage(
        settings_of(tmp_path / "made", "keras", "onnx", model_dir=str(run))
    )
    stage.validate()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match="no room"):
        stage.run()
    assert sorted(tmp_path.iterdir()) == before
