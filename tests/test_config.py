import dataclasses
import math
import pathlib
import re
import typing

import pytest

from noisy_student import config
from noisy_student.config import settings, tools


@pytest.mark.parametrize(
    ("group", "values", "message"),
    [
        (config.DataConfig, {"num_labeled": 0}, "num_labeled must be above 0"),
        (config.ModelConfig, {"dropout_rate": 1.0}, r"dropout_rate.*\[0, 1\)"),
        (config.ModelConfig, {"width_coefficient": 0}, r"in \(0, 100\]; got 0"),
        (config.NoiseConfig, {"augment_name": "v2"}, "one of none, v1"),
        (config.NoiseConfig, {"unl_aug": "v2"}, "unl_aug must be one of none"),
        (config.InputConfig, {"shuffle_buffer_size": 0}, "above 0; got 0"),
        (config.InputConfig, {"num_parallel_calls": 0}, "num_parallel_calls"),
        (config.InputConfig, {"cache_mib": -1}, "cache_mib must be at least"),
        (config.NoiseConfig, {"randaug_mag": 31}, r"in \[0, 30\]; got 31"),
        (config.NoiseConfig, {"randaug_layer": -1}, "at least 0; got -1"),
        (config.TrainConfig, {"train_ratio": 0}, "train_ratio must be above"),
        (config.TrainConfig, {"teacher_softmax_temp": 0}, "or -1 for hard"),
        (config.TrainConfig, {"unlabel_ratio": -1}, "unlabel_ratio must be"),
        (config.TrainConfig, {"label_smoothing": 1}, "label_smoothing must"),
        (config.TrainConfig, {"weight_decay": -1}, "weight_decay must be"),
        (config.PseudoLabelConfig, {"num_image": 0}, "num_image must be"),
        (config.PseudoLabelConfig, {"max_prob": 0}, "above min_threshold=0.0"),
        (
            config.PseudoLabelConfig,
            {"only_use_num_shards": 2},
            "only_use_num_shards must be at most num_shards=1; got 2",
        ),
        (config.SelfTrainingConfig, {"num_iterations": 0}, "num_iterations"),
        (
            config.SelfTrainingConfig,
            {"student_model_names": ("a", "b")},
            r"one value or 3 \(num_iterations\); got 'a,b'",
        ),
        (
            config.SelfTrainingConfig,
            {"student_unlabel_ratios": (14, 14, 28, 28)},
            r"student_unlabel_ratios must be one value or 3",
        ),
        (
            config.SelfTrainingConfig,
            {"finetune_input_image_sizes": (0, 800)},
            r"finetune_input_image_sizes must be one value or 3",
        ),
        (
            config.SelfTrainingConfig,
            {"next_teacher": "first"},
            "next_teacher must be one of newest, best; got 'first'",
        ),
        (config.RunConfig, {"distribution": "cloud"}, "distribution must be"),
        (config.RunConfig, {"steps_per_eval": -1}, "at least 0; got -1"),
    ],
)
def test_impossible_values_are_refused(group, values, message):
    with pytest.raises(ValueError, match=message):
        group(**values)


def numbers():
    """Every setting that is a number, or several."""
    for group in typing.get_type_hints(config.ExperimentConfig).values():
        if not dataclasses.is_dataclass(group):
            continue
        hints = typing.get_type_hints(group)
        for field in dataclasses.fields(group):
            hint = hints[field.name]
            kinds = {hint, *typing.get_args(hint)}
            if kinds & {int, float} and settings.rule_of(field) is not None:
                is_list = typing.get_origin(hint) is tuple
                name = f"{group.__name__}.{field.name}"
                yield pytest.param(group, field.name, is_list, id=name)


@pytest.mark.parametrize(("group", "name", "is_list"), numbers())
def test_numbers_are_finite_and_of_a_sensible_size(group, name, is_list):
    for value in (math.inf, -math.inf, math.nan, 1e308, 10**400, -(10**400)):
        with pytest.raises(ValueError, match=f"^{name} must be .*; got "):
            group(**{name: (value,) if is_list else value})


def test_a_number_is_refused_in_plain_words():
    for value, message in (
        (math.inf, "train_ratio must be finite; got inf."),
        (1e16, "train_ratio must be 0 or of a size from 1e-15 to 1e+15;"),
        (-1.0, "train_ratio must be above 0; got -1.0."),
        (math.nan, "train_ratio must be above 0; got nan."),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            config.TrainConfig(train_ratio=value)


def test_the_method_and_the_task_decide_what_is_none():
    train = config.TrainConfig()
    for name in (
        "method",
        "optimizer",
        "learning_rate_schedule",
        "label_smoothing",
    ):
        assert getattr(train, name) is None
    assert config.ConsistencyConfig().max_consistency_weight is None
    assert config.NoiseConfig().horizontal_flip is None


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "digits"),
        ({"task_name": "svhn"}, "svhn_cropped"),
        ({"task_name": "imagenet"}, "imagenet2012"),
        ({"label_data_dir": "/data/photos;/more"}, "photos"),
        ({"label_data_dir": "/data/svhn"}, "svhn_cropped"),
        ({"label_data_dir": "gs://bucket/birds"}, "birds"),
        ({"label_data_dir": "/data", "task_name": "cifar10"}, "cifar10"),
        ({"unlabel_image_dir": "/data/photos"}, "digits"),
    ],
)
def test_the_task_has_the_name_that_is_given_or_its_directorys(values, name):
    data = config.DataConfig(**values)
    assert data.task_name == name
    assert dataclasses.replace(data, num_labeled=10).task_name == name


def test_directories_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = pathlib.Path.cwd()
    data = config.DataConfig("x", label_data_dir="a;gs://b/c;/d/../e")
    assert data.label_data_dir == f"{here}/a;gs://b/c;/e"
    assert config.DataConfig(unlabel_data_dir="").unlabel_data_dir is None
    for joined in ("", ";", "a;", "a; ;b"):
        with pytest.raises(ValueError, match=f"label_data_dir='{joined}' must"):
            config.DataConfig(label_data_dir=joined)
    train = config.TrainConfig(teacher_model_path="a;b", init_weights="c")
    assert train.teacher_model_path == f"{here}/a;b"
    assert train.init_weights == f"{here}/c"


@pytest.mark.parametrize(
    "values", [{"use_tpu": True}, {"tpu": "local"}, {"distribution": "tpu"}]
)
def test_a_tpu_is_asked_for_in_three_ways(values):
    run = config.RunConfig(**values)
    assert run.distribution == "tpu"
    assert dataclasses.replace(run, steps_per_eval=1).distribution == "tpu"


def test_a_tpu_goes_with_no_other_distribution():
    assert config.RunConfig(tpu="").distribution == "auto"
    with pytest.raises(ValueError, match="leave one of them out"):
        config.RunConfig("mirrored", use_tpu=True)


def test_unlabelled_images_have_noise_of_their_own():
    noise = config.NoiseConfig("none", unl_aug="v1", remove_aug=True)
    assert noise.of_unlabeled().augment_name == "v1"
    assert not noise.of_unlabeled().remove_aug
    assert config.NoiseConfig("v1").of_unlabeled().augment_name == "v1"


def test_configs_are_frozen():
    train = config.TrainConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        train.train_steps = 1


def test_steps_default_to_the_papers_350_epochs():
    train = config.TrainConfig(train_batch_size=100)
    assert train.total_steps(num_labeled=1000) == 3500
    train = config.TrainConfig(train_steps=10, train_ratio=2.5)
    assert train.total_steps(num_labeled=1000) == 25


def test_the_originals_minus_one_means_all():
    labels = config.PseudoLabelConfig(only_use_num_shards=-1)
    assert labels == config.PseudoLabelConfig()
    filtering = tools.FilterSettings(total_label_replicas=-1)
    assert filtering == tools.FilterSettings()


def test_an_empty_task_name_is_none():
    """As an unset variable of a script gives it."""
    assert config.DataConfig("").task_name == "digits"
    given = config.DataConfig("", label_data_dir="/images/photos")
    assert given.task_name == "photos"
