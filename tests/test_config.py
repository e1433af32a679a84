import dataclasses

import pytest

from noisy_student import config


@pytest.mark.parametrize(
    ("group", "values", "message"),
    [
        (config.DataConfig, {"num_labeled": 0}, "num_labeled must be above 0"),
        (config.ModelConfig, {"dropout_rate": 1.0}, r"dropout_rate.*\[0, 1\)"),
        (config.ModelConfig, {"width_coefficient": 0}, "above 0; got 0"),
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
        (config.SelfTrainingConfig, {"num_iterations": 0}, "num_iterations"),
        (
            config.SelfTrainingConfig,
            {"student_model_names": ("a", "b")},
            r"one value or 3 \(num_iterations\); got 'a,b'",
        ),
        (config.RunConfig, {"distribution": "cloud"}, "distribution must be"),
        (config.RunConfig, {"steps_per_eval": -1}, "at least 0; got -1"),
    ],
)
def test_impossible_values_are_refused(group, values, message):
    required = {
        config.DataConfig: {"task_name": "digits"},
        config.ModelConfig: {"model_name": "efficientnet-b0"},
    }
    with pytest.raises(ValueError, match=message):
        group(**required.get(group, {}), **values)


def test_unlabelled_images_have_noise_of_their_own():
    noise = config.NoiseConfig("none", unl_aug="v1", remove_aug=True)
    assert noise.of_unlabeled().augment_name == "v1"
    assert not noise.of_unlabeled().remove_aug
    assert config.NoiseConfig("v1").of_unlabeled().augment_name == "v1"


def test_configs_are_frozen():
    settings = config.TrainConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.train_steps = 1


def test_steps_default_to_the_papers_350_epochs():
    settings = config.TrainConfig(train_batch_size=100)
    assert settings.total_steps(num_labeled=1000) == 3500
    settings = config.TrainConfig(train_steps=10, train_ratio=2.5)
    assert settings.total_steps(num_labeled=1000) == 25


def test_students_have_models_of_their_own():
    model = config.ModelConfig("efficientnet-b0", width_coefficient=0.5)
    loop = config.SelfTrainingConfig(
        num_iterations=2,
        student_model_names=("efficientnet-b1", "efficientnet-b2"),
        student_depth_coefficients=(0.7,),
    )
    first, second = (loop.student_model(model, i) for i in (1, 2))
    assert first.model_name == "efficientnet-b1"
    assert second.model_name == "efficientnet-b2"
    assert first.depth_coefficient == second.depth_coefficient == 0.7
    assert first.width_coefficient is None  # a B1's own, not the teacher's
    assert config.SelfTrainingConfig().student_model(model, 3) == model
