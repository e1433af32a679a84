"""Which model --mode=eval takes, and at which resolution."""

import dataclasses
import json

import numpy as np
import pytest

from noisy_student import config, models, stages
from tests.settings import experiment

MODEL = config.ModelConfig(
    "efficientnet-b0",
    num_classes=10,
    input_image_size=8,
    width_coefficient=0.1,
    depth_coefficient=0.1,
    small_image_model=True,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory that holds a model."""
    directory = tmp_path_factory.mktemp("run")
    models.save_model(models.build_model(MODEL), directory / "model.keras")
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


@pytest.mark.parametrize("side", [None, 12])
def test_models_are_evaluated_at_the_resolution_asked_for(
    run, side, capsys, monkeypatch
):
    seen = []
    original = stages.experiment.Experiment.accuracy

    def accuracy(self, side):
        seen.append(side)
        return original(self, side)

    monkeypatch.setattr(stages.experiment.Experiment, "accuracy", accuracy)
    run_stage(make_config("eval", side, predict_ckpt_path=str(run)))
    metrics = json.loads(capsys.readouterr().out)
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


def test_a_teacher_predicts_at_its_own_resolution(run, tmp_path):
    settings = make_config(
        "predict", 12, predict_ckpt_path=str(run), output_dir=str(tmp_path)
    )
    with pytest.raises(ValueError, match="takes images of 8 pixels; leave out"):
        run_stage(settings)
    assert not list(tmp_path.rglob("train-info*"))
