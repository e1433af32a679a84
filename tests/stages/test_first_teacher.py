"""A first teacher that is taken over from another run."""

import dataclasses
import json

import pytest

from noisy_student import stages
from noisy_student.config import RobustnessConfig, SelfTrainingConfig
from noisy_student.files import run_directory, writing
from noisy_student.stages import first_teacher, generations
from tests.scripts import TINY, run
from tests.settings import experiment


def rows(directory):
    """Of `results.json`, without what a run takes anew."""
    generations = json.loads((directory / "results.json").read_text())
    return [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in generations["generations"]
    ]


def test_the_student_is_that_of_a_run_which_trained_its_teacher(
    finished, tmp_path
):
    done = run(
        *TINY,
        f"--teacher_run_dir={finished.directory}",
        f"--model_dir={tmp_path}/run",
    )
    assert done.returncode == 0, done.stderr
    assert "train teacher" in finished.process.stderr
    assert "train teacher" not in done.stderr
    assert "train student 1" in done.stderr
    assert rows(tmp_path / "run") == rows(finished.directory)


def changed(settings, **changes):
    """Settings with other values in some groups."""
    groups = {
        name: dataclasses.replace(getattr(settings, name), **values)
        for name, values in changes.items()
    }
    return dataclasses.replace(settings, **groups)


def settings_of(finished, tmp_path, **changes):
    """Those of the finished run with its teacher, but for these changes."""
    settings = run_directory.read_config(finished.directory)
    settings = dataclasses.replace(settings, model_dir=str(tmp_path / "run"))
    loop = {"teacher_run_dir": str(finished.directory)}
    loop |= changes.pop("self_training", {})
    return changed(settings, self_training=loop, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"noise": {"unl_aug": "none", "noise_teacher": True}},
        {"pseudo_labels": {"num_image": 5}, "train": {"unlabel_ratio": 1.0}},
        # Its steps are those of the other run's --train_steps.
        {"train": {"teacher_train_steps": 6, "train_steps": 9}},
        {"self_training": {"student_init": "teacher", "num_iterations": 2}},
    ],
)
def test_what_comes_after_the_teacher_may_differ(changes, finished, tmp_path):
    settings = settings_of(finished, tmp_path, **changes)
    stages.make_stage(settings).validate()


def test_each_run_measures_robustness_by_itself(finished, tmp_path):
    measured = {"evaluate_robustness": True}
    other = finished.copy(tmp_path / "other")
    trained = run_directory.generation_directory(other, 0)
    settings = changed(
        run_directory.read_config(trained), self_training=measured
    )
    writing.write_json(trained / "config.json", dataclasses.asdict(settings))
    ours = settings_of(finished, tmp_path, self_training=measured)
    ours = dataclasses.replace(
        ours, robustness=RobustnessConfig(num_robustness_images=7)
    )
    (teacher,) = generations.plan(ours, 50)[0].trainings
    first_teacher.check(teacher, str(other))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"dropout_rate": 0.5}}, "dropout_rate=None there and 0.5"),
        ({"train": {"train_steps": 7}}, "train_steps=6 there and 7 here"),
        ({"noise": {"randaug_mag": 3.0}}, "randaug_mag=27.0 there and 3.0"),
        ({"data": {"num_labeled": 40}}, "num_labeled=None there and 40"),
    ],
)
def test_another_teacher_is_refused(changes, message, finished, tmp_path):
    settings = settings_of(finished, tmp_path, **changes)
    with pytest.raises(ValueError, match="has another first teacher") as caught:
        stages.make_stage(settings).validate()
    assert message in str(caught.value)
    assert not settings.directory.exists()


def test_another_unlabelled_split_is_refused(finished, tmp_path):
    """It might be the one that validated the other teacher."""
    settings = settings_of(finished, tmp_path)
    data = dataclasses.replace(settings.data, unlabel_split="validation")
    settings = dataclasses.replace(settings, data=data)
    (teacher,) = generations.plan(settings, 50)[0].trainings
    with pytest.raises(ValueError, match="unlabel_split=None there and"):
        first_teacher.check(teacher, str(finished.directory))


def test_a_run_without_a_trained_teacher_is_refused(finished, tmp_path):
    loop = {"teacher_run_dir": str(tmp_path)}
    settings = settings_of(finished, tmp_path, self_training=loop)
    with pytest.raises(ValueError, match="has no trained first teacher"):
        stages.make_stage(settings).validate()


def test_what_was_taken_over_is_needed_no_more(finished, tmp_path):
    """A run goes on where the other one was removed."""
    finished.copy(tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    loop = {"teacher_run_dir": "gone"}
    settings = settings_of(finished, tmp_path, self_training=loop)
    stages.make_stage(settings).validate()


def test_a_copy_that_was_cut_short_is_made_again(
    finished, tmp_path, monkeypatch
):
    """The model comes last: without it the training is not finished."""
    settings = settings_of(finished, tmp_path)
    (teacher,) = generations.plan(settings, 50)[0].trainings
    other, real = str(finished.directory), writing.copy

    def killed(source, path):
        if path.name == "model.keras":
            raise KeyboardInterrupt
        real(source, path)

    monkeypatch.setattr(writing, "copy", killed)
    with pytest.raises(KeyboardInterrupt):
        first_teacher.take_over(teacher, other)
    assert not teacher.model.exists()
    monkeypatch.setattr(writing, "copy", real)
    first_teacher.take_over(teacher, other)
    theirs = finished.directory / "generation_00/model.keras"
    assert teacher.model.read_bytes() == theirs.read_bytes()


def test_a_single_training_has_no_first_teacher(tmp_path):
    settings = dataclasses.replace(
        experiment(tmp_path / "run"),
        mode="train",
        self_training=SelfTrainingConfig(teacher_run_dir="runs/a"),
    )
    with pytest.raises(ValueError, match="teacher_run_dir is for mode=self_"):
        stages.make_stage(settings).validate()
