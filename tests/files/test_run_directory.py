import dataclasses
import json

import pytest

from noisy_student import config
from noisy_student.files import run_directory
from tests.settings import experiment


def test_the_same_experiment_may_go_on(tmp_path):
    directory = tmp_path / "deep" / "run"
    run_directory.claim(directory, experiment(directory))
    run_directory.claim(directory, experiment(directory))
    written = json.loads((directory / "config.json").read_text())
    assert written["model"]["mean"] == [0.485, 0.456, 0.406]


def test_another_experiment_is_refused_with_every_difference(tmp_path):
    run_directory.claim(tmp_path, experiment(tmp_path))
    before = (tmp_path / "config.json").read_bytes()
    other = experiment(tmp_path, weight_decay=0.5, label_smoothing=0.2)
    with pytest.raises(
        ValueError,
        match=r"label_smoothing=0.1 there and 0.2 here; weight_decay=1e-05",
    ):
        run_directory.claim(tmp_path, other)
    assert (tmp_path / "config.json").read_bytes() == before


def test_a_setting_in_two_groups_counts_in_both(tmp_path):
    run_directory.claim(tmp_path, experiment(tmp_path))
    larger = dataclasses.replace(
        experiment(tmp_path),
        data=config.DataConfig("digits", input_image_size=32),
    )
    with pytest.raises(ValueError, match="input_image_size=None there and 32"):
        run_directory.claim(tmp_path, larger)


def test_a_kill_while_claiming_does_no_harm(tmp_path):
    (tmp_path / "tmp.0f.config.json").write_text("{")
    run_directory.claim(tmp_path, experiment(tmp_path))
    run_directory.check(tmp_path, experiment(tmp_path))


def test_a_run_is_evaluated_on_its_own_test_images(tmp_path):
    run_directory.claim(tmp_path, experiment(tmp_path))
    run_directory.check_images(tmp_path, experiment(tmp_path))
    other = dataclasses.replace(experiment(tmp_path), seed=1)
    with pytest.raises(ValueError, match="other images: seed=0 there and 1"):
        run_directory.check_images(tmp_path, other)


def test_what_does_not_change_the_result_may_differ(tmp_path):
    run_directory.claim(tmp_path, experiment(tmp_path))
    changed = dataclasses.replace(
        experiment(tmp_path),
        model_dir="elsewhere",
        run=config.RunConfig(eval_batch_size=1),
        data=config.DataConfig(
            "digits", tfds_data_dir="moved", unlabel_truth="known.npy"
        ),
        input_pipeline=config.InputConfig(num_parallel_calls=3, cache_mib=0),
    )
    run_directory.check(tmp_path, changed)


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"has no config.json"):
        run_directory.claim(tmp_path, experiment(tmp_path))
    with pytest.raises(ValueError, match="is a file"):
        run_directory.claim(tmp_path / "notes.txt", experiment(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_missing_model_dir_is_named():
    settings = dataclasses.replace(experiment("x"), model_dir=None)
    with pytest.raises(ValueError, match="model_dir must be set"):
        _ = settings.directory


def test_a_run_says_its_settings(tmp_path):
    settings = dataclasses.replace(
        experiment(tmp_path / "run", unlabel_ratio=2.5),
        seed=3,
        noise=config.NoiseConfig(augment_name="v1", randaug_mag=5),
        self_training=config.SelfTrainingConfig(
            2, student_model_names=("efficientnet-b0", "efficientnet-b1")
        ),
        pseudo_labels=config.PseudoLabelConfig(min_threshold=0.3),
    )
    run_directory.claim(tmp_path / "run", settings)
    assert run_directory.read_config(tmp_path / "run") == settings


def test_settings_that_a_run_does_not_know_have_their_defaults(tmp_path):
    settings = experiment(tmp_path / "run")
    run_directory.claim(tmp_path / "run", settings)
    path = tmp_path / "run/config.json"
    values = json.loads(path.read_text())
    del values["evaluation"], values["run"]["eval_batch_size"]
    path.write_text(json.dumps(values))
    assert run_directory.read_config(tmp_path / "run") == settings


def test_switches_that_a_run_does_not_know_are_as_by_default(tmp_path):
    settings = experiment(tmp_path)
    run_directory.claim(tmp_path, settings)
    path = tmp_path / "config.json"
    values = json.loads(path.read_text())
    del values["noise"]["noise_teacher"], values["noise"]["cutout_op"]
    path.write_text(json.dumps(values))
    run_directory.claim(tmp_path, settings)
    path.write_text(json.dumps(values))
    other = config.NoiseConfig(noise_teacher=True, cutout_op=False)
    with pytest.raises(
        ValueError,
        match="cutout_op=True there and False here; noise_teacher=False there",
    ):
        run_directory.check(
            tmp_path, dataclasses.replace(settings, noise=other)
        )


def test_a_directory_without_settings_is_no_run(tmp_path):
    with pytest.raises(ValueError, match=r"There is no run in .*config\.json"):
        run_directory.read_config(tmp_path)


def test_a_run_says_which_model_it_trains(tmp_path):
    model = config.ModelConfig(
        "efficientnet-b3", width_coefficient=0.5, dropout_rate=0.0
    )
    data = config.DataConfig("digits", input_image_size=24)
    settings = dataclasses.replace(experiment(tmp_path), model=model, data=data)
    run_directory.claim(tmp_path, settings)
    assert run_directory.read_model(tmp_path) == (model, 24)


def test_a_threshold_may_change_until_something_is_filtered(tmp_path):
    """One that keeps nothing costs no teacher."""
    directory = tmp_path / "run"
    first = experiment(directory)
    run_directory.claim(directory, first)
    labels = dataclasses.replace(first.pseudo_labels, min_threshold=0.123)
    other = dataclasses.replace(first, pseudo_labels=labels)
    run_directory.check(directory, other)
    stats = directory / "generation_01/pseudo_labels/stats.json"
    stats.parent.mkdir(parents=True)
    stats.write_text("{}")
    with pytest.raises(ValueError, match=r"min_threshold=.* and 0\.123 here"):
        run_directory.check(directory, other)
    run_directory.check(directory, first)
