"""Which weights students start from."""

import pytest

from noisy_student.config import ModelConfig, SelfTrainingConfig
from noisy_student.stages import generations, students
from tests.stages.test_generations import with_loop


def starts(config):
    """The weights that the students' trainings start from."""
    _, *planned = generations.plan(config, 1000)
    return [one.trainings[0].config.train.init_weights for one in planned]


def test_students_start_from_what_is_asked_for(tmp_path):
    for init, expected in (
        ("fresh", [None, None]),
        ("pretrained", ["imagenet", "imagenet"]),
        (
            "teacher",
            [
                f"{tmp_path}/generation_00/model.keras",
                f"{tmp_path}/generation_01/finetune/model.keras",
            ],
        ),
    ):
        loop = SelfTrainingConfig(
            num_iterations=2,
            student_init=init,
            finetune_input_image_sizes=(48, 0),
        )
        config = with_loop(
            tmp_path, loop, init_weights="imagenet", train_steps=300
        )
        assert starts(config) == expected
        generations.check_settings(config)
        first = generations.plan(config, 1000)[1]
        # No setting of a run names a file of an earlier training.
        for training in first.trainings:
            assert "generation" not in str(training.settings.train.init_weights)
        tuning = first.trainings[1]
        assert tuning.settings.train.init_weights is None
        assert tuning.start == first.trainings[0].model


def test_the_teacher_that_is_chosen_gives_its_weights(tmp_path):
    for init, expected in (("fresh", None), ("teacher", "generation_00")):
        loop = SelfTrainingConfig(num_iterations=2, student_init=init)
        first, _, second = generations.plan(with_loop(tmp_path, loop), 1000)
        [training] = generations.taught_by(second, first).trainings
        given = training.config.train.init_weights
        assert given == (expected and f"{tmp_path}/{expected}/model.keras")


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (
            {"student_model_names": ("efficientnet-b0", "efficientnet-b1")},
            "student 2 has depth=1.1, and its teacher 1.0",
        ),
        (
            {"student_model_names": ("efficientnet-lite0",)},
            "student 1 has lite=True",
        ),
        ({"student_width_coefficients": (2.0,)}, "student 1 has width=2.0"),
    ],
)
def test_the_teachers_weights_need_its_model(tmp_path, lists, message):
    for init in ("teacher", "fresh"):
        loop = SelfTrainingConfig(num_iterations=2, student_init=init, **lists)
        config = with_loop(tmp_path, loop)
        if init == "fresh":
            students.check(config)
        else:
            with pytest.raises(ValueError, match=message):
                students.check(config)


def test_pretrained_students_need_weights(tmp_path):
    loop = SelfTrainingConfig(num_iterations=1, student_init="pretrained")
    with pytest.raises(ValueError, match="student_init=pretrained needs init"):
        students.check(with_loop(tmp_path, loop))
    students.check(with_loop(tmp_path, loop, init_weights="noisy-student"))


def test_blocks_of_given_weights_may_be_frozen(tmp_path):
    for init in ("fresh", "pretrained"):
        loop = SelfTrainingConfig(num_iterations=1, student_init=init)
        model = ModelConfig(fix_layer_num=2)
        config = with_loop(tmp_path, loop, model, init_weights="imagenet")
        if init == "pretrained":
            generations.check_settings(config)
        else:
            with pytest.raises(ValueError, match=r"fresh ones.*student_init"):
                generations.check_settings(config)
