"""Models by suites: what is kept, taken again, refused and printed."""

import dataclasses
import json
import typing

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import config, models, stages
from noisy_student.data import digits
from noisy_student.stages import robustness, small_robustness
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.suites import Suite
from tests.stages.test_evaluate import make_config, run_stage
from tests.stages.test_evaluation_tables import write_model


class Weight(Suite):
    """Measures a weight of a model, and notes for which models it did."""

    name = "corruptions"
    depends_on = ("num_frames",)
    measured: typing.ClassVar = []

    def __init__(self, experiment, settings):
        self.settings = settings

    def validate(self):
        if self.settings.severities == (5,):
            raise ValueError("there is no severity 5")

    def images(self):
        return {"num_images": 3}

    def measure(self, model, description):
        self.measured.append(description)
        weight = float(np.abs(model.get_weights()[0]).mean())
        return {"errors": {"fog": [weight]}, "severities": [1]}

    def summary(self, results, unit):
        of_unit = unit["errors"]["fog"][0] if unit else 1
        return {"corrupted_error": results["errors"]["fog"][0] / of_unit}


@pytest.fixture
def suite(monkeypatch):
    monkeypatch.setattr(robustness, "SUITES", {"corruptions": Weight})
    monkeypatch.setattr(Weight, "measured", [])
    return Weight


@pytest.fixture
def run(tmp_path):
    directory = tmp_path / "run"
    for seed, place in enumerate(("", "generation_00/", "generation_01/")):
        write_model(directory / f"{place}model.keras", seed)
    return directory


def settings_of(run, **changes):
    return dataclasses.replace(
        make_config("robustness"),
        model_dir=str(run),
        robustness=config.RobustnessConfig(suites=("corruptions",), **changes),
    )


def scores(run):
    path = run / "robustness/robustness.json"
    return {
        model: found["scores"]["corruptions"]["corrupted_error"]
        for model, found in json.loads(path.read_text()).items()
    }


def test_every_generation_is_measured_once(run, suite, capsys):
    run_stage(settings_of(run))
    *table, last = capsys.readouterr().out.splitlines()
    found = scores(run)
    assert list(found) == ["generation_00", "generation_01"]
    assert json.loads(last) == {"corrupted_error": found["generation_01"]}
    assert table[0].split() == ["suite", "score", *found]
    assert table[1].split()[2] == f"{100 * found['generation_00']:.2f}"
    names = [f"{model} corruptions" for model in found]
    assert suite.measured == names
    assert (run / "robustness/error_by_severity.png").exists()
    run_stage(settings_of(run))
    assert suite.measured == names


def test_what_is_kept_is_taken_up_after_a_kill(run, suite):
    run_stage(settings_of(run))
    (run / "robustness/generation_01/corruptions.json").unlink()
    before = scores(run)
    run_stage(settings_of(run))
    assert suite.measured[2:] == ["generation_01 corruptions"]
    assert scores(run) == before


@pytest.mark.slow
def test_results_of_other_models_or_settings_are_refused(run, suite):
    run_stage(settings_of(run))
    with pytest.raises(ValueError, match=r"num_frames=31 there and 5 here"):
        run_stage(settings_of(run, num_frames=5))
    run_stage(settings_of(run, pgd_steps=5))  # it does not depend on this
    settings = settings_of(run)
    for name, value in (("num_test_images", 5), ("input_image_size", 12)):
        data = dataclasses.replace(settings.data, **{name: value})
        changed = dataclasses.replace(settings, data=data)
        with pytest.raises(ValueError, match=f"there and {value} here"):
            run_stage(changed)
    write_model(run / "generation_00/model.keras", 9)
    with pytest.raises(
        ValueError, match=r"generation_00/corruptions\.json was"
    ):
        run_stage(settings_of(run))
    assert len(suite.measured) == 2


def test_the_baseline_is_the_unit(run, suite):
    baseline = str(run / "generation_00/model.keras")
    run_stage(settings_of(run, baseline_model_path=baseline))
    found = scores(run)
    assert list(found) == ["generation_00", "generation_01"]
    assert found["generation_00"] == 1 and found["generation_01"] != 1


def test_a_later_call_adds_its_suite_to_the_report(run, suite, monkeypatch):
    class Other(Weight):
        name = "perturbations"
        depends_on = ()

    suites = {"corruptions": Weight, "perturbations": Other}
    monkeypatch.setattr(robustness, "SUITES", suites)
    run_stage(settings_of(run))
    later = settings_of(run)
    later = dataclasses.replace(
        later, robustness=config.RobustnessConfig(suites=("perturbations",))
    )
    run_stage(later)
    report = json.loads((run / "robustness/robustness.json").read_text())
    for name, found in report.items():
        assert list(found["scores"]) == ["corruptions", "perturbations"]
        assert found["units"] == {"corruptions": None, "perturbations": None}
        made_from = found["made_from"]["corruptions"]
        assert made_from["measured"] == {"num_images": 3}
        assert found["versions"]["corruptions"]["keras"] == keras.__version__
        assert len(made_from["model"]) == 64, name
    # What is kept of another model is not of this one.
    write_model(run / "model.keras", 7)
    write_model(run / "generation_01/model.keras", 7)
    (run / "robustness/generation_01/perturbations.json").unlink()
    run_stage(later)
    report = json.loads((run / "robustness/robustness.json").read_text())
    assert list(report["generation_00"]["scores"]) == [*suites]
    assert list(report["generation_01"]["scores"]) == ["perturbations"]


def test_the_unit_is_of_the_same_images(run, suite):
    baseline = str(run / "generation_00/model.keras")
    run_stage(settings_of(run, baseline_model_path=baseline))
    path = run / "robustness/robustness.json"
    report = json.loads(path.read_text())
    unit = report["generation_01"]["units"]["corruptions"]
    assert unit == models.digest(baseline)
    kept = json.loads(
        (run / "robustness/baseline/corruptions.json").read_text()
    )
    made = {"made_from": kept["made_from"], "results": kept["results"]}
    other = {**made["made_from"], "measured": {"num_images": 4}}
    found = robustness._unit(made, {**made, "made_from": other})
    assert found is None and robustness._unit(made, made) == made["results"]


def test_views_are_not_averaged(run, suite):
    views = config.EvaluationConfig(num_test_time_augmentations=2)
    settings = dataclasses.replace(settings_of(run), evaluation=views)
    with pytest.raises(ValueError, match="is for mode=eval"):
        run_stage(settings)


def test_what_a_suite_lacks_is_said_before_all(run, suite):
    with pytest.raises(ValueError, match="there is no severity 5"):
        run_stage(settings_of(run, severities=(5,)))
    assert not (run / "robustness").exists()


def test_another_model_needs_a_place_for_its_results(run, suite):
    settings = settings_of(run)
    predict = config.PredictConfig(predict_ckpt_path=str(run))
    with pytest.raises(ValueError, match="output_dir must be set"):
        stages.make_stage(
            dataclasses.replace(settings, predict=predict)
        ).validate()


@pytest.mark.parametrize("most, taken", [(500, 400), (300, 300)])
def test_the_small_version_is_small(most, taken, run, monkeypatch):
    """There are 400 test images."""
    monkeypatch.setattr(small_robustness, "_MOST_IMAGES", most)
    seen = {}

    def make(name):
        class Small(Weight):
            def __init__(self, experiment, settings):
                super().__init__(experiment, settings)
                seen[name] = settings

            def summary(self, results, unit):
                return {
                    "corruptions": {"corrupted_error": 0.25},
                    "perturbations": {"mean_flip_probability": 0.125},
                    "adversarial": {"pgd_4_accuracy": 0.5},
                }[name]

        return Small

    names = ("corruptions", "perturbations", "adversarial")
    suites = {name: make(name) for name in names}
    monkeypatch.setattr(small_robustness, "SUITES", suites)
    opened = Experiment.open(settings_of(run), devices=None)
    model = stages.robustness.models.load_model(run / "model.keras")
    found = small_robustness.scores(opened, model)
    assert found == {
        "corrupted_accuracy": 0.75,
        "mean_flip_probability": 0.125,
        "pgd_4_accuracy": 0.5,
    }
    assert set(seen) == set(names)
    numbers = [seen[name].num_robustness_images for name in names]
    assert numbers == [taken, 100, taken]
    assert seen["corruptions"].severities == (3,)
    assert seen["perturbations"].num_frames == 11
    assert seen["adversarial"].epsilons == (4.0,)


@pytest.mark.parametrize("form", ["keras", "saved_model"])
def test_a_model_made_elsewhere_is_attacked(form, tmp_path, two_replicas):
    """FGSM on a linear model, whose gradient is known, on two replicas."""
    weights = np.random.default_rng(0).normal(size=(192, 10)) / 100
    given = keras.Input((8, 8, 3))
    dense = keras.layers.Dense(10, "softmax", use_bias=False)
    model = keras.Model(given, dense(keras.layers.Flatten()(given)))
    dense.set_weights([weights])
    path = tmp_path / ("model.keras" if form == "keras" else "model")
    (model.save if form == "keras" else model.export)(path)
    settings = dataclasses.replace(
        make_config("robustness", 8, output_dir=str(tmp_path / "found")),
        evaluation=config.EvaluationConfig(
            model_path=str(path), model_output="probabilities"
        ),
        robustness=config.RobustnessConfig(
            suites=("adversarial",), attacks=("fgsm",), epsilons=(8,)
        ),
        run=config.RunConfig("mirrored", eval_batch_size=64),
    )
    run_stage(settings)
    report = json.loads((tmp_path / "found/robustness.json").read_text())
    found = report["model"]["scores"]["adversarial"]
    images, labels = digits_to_test()
    logits = images @ weights
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    gradient = (p - np.eye(10)[labels]) @ weights.T
    attacked = np.clip(images + 8 * np.sign(gradient), 0, 255)
    for name, x in (("clean", images), ("fgsm_8", attacked)):
        expected = ((x @ weights).argmax(axis=1) == labels).mean()
        assert found[f"{name}_accuracy"] == pytest.approx(expected, abs=0.006)


def digits_to_test():
    """The digits' test images, flat in [0, 255], and their classes."""
    _, test = digits.load(0)
    examples = list(test.read().as_numpy_iterator())
    images = [tf.io.decode_png(x["encoded"], channels=3) for x in examples]
    flat = np.reshape(np.stack(images), (len(images), -1)).astype(float)
    return flat, np.array([x["label"] for x in examples])
