"""Which model --mode=eval takes, on which images, at which resolution."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from noisy_student import config, models, stages
from noisy_student.files import metrics_file
from tests.settings import experiment
from tests.stages import svhn

MODEL = config.ModelConfig(
    "efficientnet-b0",
    num_classes=10,
    input_image_size=8,
    width_coefficient=0.1,
    depth_coefficient=0.1,
    small_image_model=True,
)

SCORES = [
    "top_1_accuracy",
    "top_5_accuracy",
    "loss",
    "mean_class_accuracy",
    "macro_f1",
    "expected_calibration_error",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory that holds a model."""
    directory = tmp_path_factory.mktemp("run")
    models.save_model(models.build_model(MODEL), directory / "model.keras")
    return directory


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of four steps, with evaluations and checkpoints after two."""
    directory = tmp_path_factory.mktemp("trained") / "run"
    settings = dataclasses.replace(
        make_config("train_and_eval", 8),
        model_dir=str(directory),
        model=MODEL,
        train=config.TrainConfig(
            train_batch_size=10,
            train_steps=4,
            warmup_epochs=0,
            base_learning_rate=0.3,
            moving_average_decay=0.5,
        ),
        run=config.RunConfig(
            distribution="one_device",
            save_checkpoints_steps=2,
            steps_per_eval=2,
        ),
    )
    run_stage(settings)
    return directory


def make_config(mode, side=None, **predict):
    return dataclasses.replace(
        experiment("none"),
        mode=mode,
        data=config.DataConfig("digits", input_image_size=side),
        predict=config.PredictConfig(**predict),
        run=config.RunConfig(distribution="one_device"),
    )


def run_stage(settings):
    stage = stages.make_stage(settings)
    stage.validate()
    stage.run()


def evaluate(settings, capsys):
    run_stage(settings)
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("side", [None, 12])
def test_models_are_evaluated_at_the_resolution_asked_for(
    run, side, capsys, monkeypatch
):
    seen = []
    original = stages.experiment.Experiment.answers_on

    def answers_on(self, source, side, description):
        seen.append(side)
        return original(self, source, side, description)

    monkeypatch.setattr(stages.experiment.Experiment, "answers_on", answers_on)
    settings = make_config("eval", side, predict_ckpt_path=str(run))
    metrics = evaluate(settings, capsys)
    # The digits have no validation images.
    assert list(metrics) == [*SCORES, "num_images", "path"]
    assert metrics["num_images"] == 400
    assert seen == [side or 8]


def test_a_resized_model_has_the_same_weights(run):
    model = models.load_model(run / "model.keras", 12)
    assert model.input_shape == (None, 12, 12, 3)
    again = dataclasses.replace(MODEL, input_image_size=12)
    built = models.build_model(again)
    built.set_weights(models.load_model(run / "model.keras").get_weights())
    images = 255 * np.random.default_rng(0).random((2, 12, 12, 3))
    assert abs(model(images) - built(images)).numpy().max() == 0


@pytest.mark.slow
def test_train_and_eval_evaluates_on_the_way(trained):
    lines = metrics_file.read(trained)
    assert [line["step"] for line in lines] == [2, 4]
    assert json.loads((trained / "config.json").read_text())["mode"] == "train"


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 4])
def test_the_newest_checkpoint_of_an_unfinished_run_is_evaluated(
    trained, step, tmp_path, capsys
):
    """With averaged weights, of the model that the run says."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.keras").unlink()
    if step == 2:
        (tmp_path / "checkpoints/ckpt-4.index").unlink()
    settings = dataclasses.replace(make_config("eval"), model_dir=str(tmp_path))
    metrics = evaluate(settings, capsys)
    [line] = [
        line for line in metrics_file.read(trained) if line["step"] == step
    ]
    for name in ("step", "num_images", "top_1_accuracy", "top_5_accuracy"):
        assert metrics[name] == pytest.approx(line[name]), name
    assert metrics["step"] == step


def test_a_checkpoint_of_other_classes_is_refused(trained, tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("config.json", "checkpoints"):
        source = trained / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / "run" / name)
    svhn.write_svhn(tmp_path, {"train": 0, "test": 0})
    settings = svhn.settings(
        "eval",
        tmp_path,
        data={"num_label_classes": 11},
        predict=config.PredictConfig(predict_ckpt_path=str(tmp_path / "run")),
    )
    with pytest.raises(
        ValueError, match="can be read as a efficientnet_b0 of 11 c"
    ):
        stages.make_stage(settings).validate()


def shares_of(split, wrong):
    """Top-1 and top-5 accuracy of the labels that `write_svhn` gives."""
    ranks = np.zeros(4)
    ranks[:wrong] = 9  # the least probable class
    return {
        f"{split}top_1_accuracy": (ranks < 1).mean(),
        f"{split}top_5_accuracy": (ranks < 5).mean(),
        f"{split}num_images": 4,
    }


@pytest.mark.parametrize("name", ["dev", "validation", "held_out"])
@pytest.mark.parametrize(
    "place", ["prefix", pytest.param("model_dir", marks=pytest.mark.slow)]
)
def test_an_original_checkpoint_is_evaluated_on_dev_and_test(
    name, place, tmp_path, capsys
):
    images = tmp_path / "proc"
    images.mkdir()
    svhn.write_svhn(images, {"train": 0, "test": 1, name: 2})
    named = {
        "predict": config.PredictConfig(predict_ckpt_path=str(svhn.CHECKPOINT))
    }
    if place == "model_dir":
        named = {"model_dir": tmp_path}
        for path in svhn.CHECKPOINT.parent.glob("model.ckpt.*"):
            shutil.copy(path, tmp_path)
        text = 'model_checkpoint_path: "model.ckpt"\n'
        (tmp_path / "checkpoint").write_text(text)
    split = f"{name}[:100%]" if name == "held_out" else None
    data = {"validation_split": split}
    metrics = evaluate(
        svhn.settings("eval", images, data=data, **named), capsys
    )
    expected = shares_of("", 1) | shares_of("validation_", 2)
    found = {name: metrics[name] for name in expected}
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_label_classes": 11}, r"head/dense/bias is \(10,\), not \(11,\)"),
        ({"validation_split": "val"}, "validation_split='val' is no split of"),
    ],
)
def test_what_does_not_fit_is_said_before(changes, message, tmp_path):
    svhn.write_svhn(tmp_path, {"train": 0, "test": 0})
    predict = config.PredictConfig(predict_ckpt_path=str(svhn.CHECKPOINT))
    settings = svhn.settings("eval", tmp_path, data=changes, predict=predict)
    with pytest.raises(ValueError, match=message):
        stages.make_stage(settings).validate()


def test_a_model_made_elsewhere(tmp_path, capsys):
    """The class with the nearest mean image, on pixels in [0, 255]."""
    images, labels = map(np.asarray, load_digits(return_X_y=True))
    means = [images[labels == c].mean(axis=0) for c in range(10)]
    means = np.repeat(np.array(means) * 255 / 16, 3, axis=1)  # RGB
    given = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(given)
    dense = keras.layers.Dense(10)
    model = keras.Model(given, dense(flat))
    dense.set_weights([2 * means.T, -(means**2).sum(axis=1)])
    path = tmp_path / "nearest.keras"
    model.save(path)

    def evaluate(pixels):
        settings = dataclasses.replace(
            make_config("eval", output_dir=str(tmp_path / "found")),
            model_dir=None,
            evaluation=config.EvaluationConfig(
                model_path=str(path), model_input_range=pixels
            ),
        )
        run_stage(settings)

    evaluate("0..255")
    found = json.loads(capsys.readouterr().out.strip().split("\n")[-1])
    assert 0.85 < found["top_1_accuracy"] < 0.95  # 0.90 of all digits
    with pytest.raises(ValueError, match=r"set model_input_range=0\.\.255"):
        evaluate("0..1")
