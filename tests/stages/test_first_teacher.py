"""A first teacher that is taken over from another run."""

import dataclasses
import json

import pytest

from noisy_student import stages
from noisy_student.config import ModelConfig, SelfTrainingConfig
from noisy_student.files import run_directory
from tests.scripts import TINY, run

FIRST_TEACHER = "generation_00"


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


def settings_of(finished, tmp_path, **groups):
    """Those of the finished run with its teacher, but for some groups."""
    settings = run_directory.read_config(finished.directory)
    loop = dataclasses.replace(
        settings.self_training, teacher_run_dir=str(finished.directory)
    )
    fields = {"model_dir": str(tmp_path / "run"), "self_training": loop}
    return dataclasses.replace(settings, **(fields | groups))


def test_what_comes_after_the_teacher_may_differ(finished, tmp_path):
    settings = settings_of(finished, tmp_path)
    settings = dataclasses.replace(
        settings,
        noise=dataclasses.replace(settings.noise, unl_aug="none"),
        train=dataclasses.replace(settings.train, unlabel_ratio=1.0),
        pseudo_labels=dataclasses.replace(settings.pseudo_labels, num_image=5),
    )
    stages.make_stage(settings).validate()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 3}, "seed=0 there and 3 here"),
        (
            {"model": ModelConfig("tests.networks:tiny", dropout_rate=0.5)},
            "dropout_rate=None there and 0.5 here",
        ),
        ({"train": {"train_steps": 7}}, "train_steps=6 there and 7 here"),
        ({"noise": {"randaug_mag": 3.0}}, "randaug_mag=27.0 there and 3.0"),
    ],
)
def test_another_teacher_is_refused(change, message, finished, tmp_path):
    settings = settings_of(finished, tmp_path)
    groups = {
        name: dataclasses.replace(getattr(settings, name), **value)
        if isinstance(value, dict)
        else value
        for name, value in change.items()
    }
    settings = dataclasses.replace(settings, **groups)
    with pytest.raises(ValueError, match="has another first teacher") as caught:
        stages.make_stage(settings).validate()
    assert message in str(caught.value)
    assert not settings.directory.exists()


def test_a_run_without_a_trained_teacher_is_refused(finished, tmp_path):
    loop = SelfTrainingConfig(teacher_run_dir=str(tmp_path))
    settings = settings_of(finished, tmp_path, self_training=loop)
    with pytest.raises(ValueError, match="has no trained first teacher"):
        stages.make_stage(settings).validate()


def test_what_was_taken_over_is_needed_no_more(finished, tmp_path):
    """A run goes on where the other one was removed."""
    finished.copy(tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    loop = SelfTrainingConfig(num_iterations=1, teacher_run_dir="gone")
    settings = settings_of(finished, tmp_path, self_training=loop)
    stages.make_stage(settings).validate()
