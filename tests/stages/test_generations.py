"""The plan of self-training, made from settings alone."""

import dataclasses
import logging

import pytest

from noisy_student.config import ModelConfig, SelfTrainingConfig
from noisy_student.stages import generations
from noisy_student.stages import students as of_students
from noisy_student.training import schedules
from tests.settings import experiment


def with_loop(directory, loop, model=None, **train):
    config = experiment(directory, **train)
    return dataclasses.replace(
        config, self_training=loop, model=model or config.model
    )


def students(config, num_labeled=1000):
    """The settings of the students' trainings and fine-tunings."""
    _, *planned = generations.plan(config, num_labeled)
    return [[each.config for each in one.trainings] for one in planned]


def test_lists_have_a_value_for_each_student(tmp_path):
    loop = SelfTrainingConfig(
        num_iterations=2,
        student_dropout_rates=(0.3, 0.4),
        student_stochastic_depth_rates=(0.1,),
        student_input_image_sizes=(32, 48),
        student_randaug_mags=(5, 10),
        student_unlabel_ratios=(14, 28),
        student_train_batch_sizes=(64,),
        student_train_steps=(10, 20),
    )
    config = with_loop(tmp_path, loop, train_batch_size=8, train_steps=5)

    def values(own):
        return (
            own.model.dropout_rate,
            own.model.stochastic_depth_rate,
            own.data.input_image_size,
            own.noise.randaug_mag,
            own.train.unlabel_ratio,
            own.train.train_batch_size,
            own.train.train_steps,
        )

    (first,), (second,) = students(config)
    assert values(first) == (0.3, 0.1, 32, 5, 14, 64, 10)
    assert values(second) == (0.4, 0.1, 48, 10, 28, 64, 20)
    teacher = generations.plan(config, 1000)[0].trainings[0].config
    assert values(teacher) == (None, 0.2, None, 27, 0, 8, 5)
    assert teacher.train.method == "supervised"


def test_without_lists_a_student_is_as_the_flags_say(tmp_path):
    model = ModelConfig(dropout_rate=0.1)
    loop = SelfTrainingConfig(num_iterations=1)
    config = with_loop(tmp_path, loop, model, unlabel_ratio=3, train_steps=9)
    ((student,),) = students(config)
    assert student.model == model
    assert (student.data, student.noise) == (config.data, config.noise)
    assert student.train == config.train


def test_students_have_models_of_their_own(tmp_path):
    loop = SelfTrainingConfig(
        num_iterations=2,
        student_model_names=("efficientnet-b1", "efficientnet-b2"),
        student_depth_coefficients=(0.7,),
    )
    model = ModelConfig(width_coefficient=0.5, dropout_rate=0.1)
    (first,), (second,) = students(with_loop(tmp_path, loop, model))
    assert first.model.model_name == "efficientnet-b1"
    assert second.model.model_name == "efficientnet-b2"
    depths = first.model.depth_coefficient, second.model.depth_coefficient
    assert depths == (0.7, 0.7)
    # A B1's own, not the teacher's.
    assert first.model.width_coefficient is first.model.dropout_rate is None


def test_given_weights_are_the_first_teachers(tmp_path):
    loop = SelfTrainingConfig(num_iterations=1)
    config = with_loop(tmp_path, loop, init_weights="/given.keras")
    teacher = generations.plan(config, 1000)[0].trainings[0].config
    assert teacher.train.init_weights == "/given.keras"
    ((student,),) = students(config)
    assert student.train.init_weights is None


def test_fine_tuning_goes_on_with_the_students_weights(tmp_path):
    loop = SelfTrainingConfig(
        num_iterations=2,
        finetune_input_image_sizes=(0, 48),
        finetune_fix_layer_num=3,
    )
    config = with_loop(tmp_path, loop, train_batch_size=100, train_steps=300)
    _, first, second = generations.plan(config, 1000)
    assert len(first.trainings) == 1
    assert first.model == tmp_path / "generation_01/model.keras"
    training, tuning = second.trainings
    assert second.model == tmp_path / "generation_02/finetune/model.keras"
    assert second.labels == tmp_path / "generation_02/pseudo_labels"
    assert tuning.start == training.model
    own = tuning.config
    assert own.train.init_weights == str(training.model)
    assert tuning.settings.train.init_weights is None
    assert own.data.input_image_size == 48
    assert own.model.fix_layer_num == 3
    assert own.noise.remove_aug and not training.config.noise.remove_aug
    assert own.train.method == "supervised"
    assert own.train.unlabel_ratio == 0
    # 1.5 epochs of ten steps, the end of the student's learning rates.
    assert own.train.total_steps(1000) == 15
    rates = schedules.learning_rate(training.config.train, 1000)
    tuned = schedules.learning_rate(own.train, 1000)
    assert [float(tuned(i)) for i in (0, 14)] == pytest.approx(
        [float(rates(i)) for i in (285, 299)]
    )


def test_a_batch_of_another_size_keeps_the_epochs(tmp_path):
    loop = SelfTrainingConfig(
        num_iterations=1,
        finetune_input_image_sizes=(48,),
        finetune_batch_size=50,
    )
    config = with_loop(
        tmp_path,
        loop,
        train_batch_size=100,
        train_steps=300,
        final_base_lr=1e-4,
    )
    ((training, tuning),) = students(config)
    assert tuning.train.total_steps(1000) == 30
    ends = [
        float(schedules.learning_rate(train, 1000)(train.total_steps(1000)))
        for train in (training.train, tuning.train)
    ]
    assert ends[1] == pytest.approx(ends[0] / 2)  # per image the same


def test_steps_are_exact_where_batches_do_not_divide_each_other(tmp_path):
    """30 steps of 100 images are 125 of 24, and not one more."""
    loop = SelfTrainingConfig(
        1, finetune_input_image_sizes=(48,), finetune_batch_size=24
    )
    config = with_loop(tmp_path, loop, train_batch_size=100, train_steps=30)
    ((_, tuning),) = students(config)
    assert tuning.train.train_steps == 125


def test_labelled_images_alone_all_count(tmp_path):
    """Those beside unlabelled ones count at random, as a flag says."""
    loop = SelfTrainingConfig(1, finetune_input_image_sizes=(32,))
    flags = {"train_batch_size": 8, "train_steps": 100}
    config = with_loop(tmp_path, loop, **flags, label_data_sample_prob=0.25)
    teacher = generations.plan(config, 40)[0].trainings[0].config.train
    ((student, tuning),) = students(config, 40)
    assert teacher.labels_per_step == tuning.train.labels_per_step == 8
    assert student.train.labels_per_step == 2
    # 5 epochs of 5 steps, as the student's 100 steps of two labels are.
    assert tuning.train.train_steps == 25
    both = dataclasses.replace(loop, finetune_unlabel_ratio=1.0)
    ((student, tuning),) = students(
        dataclasses.replace(config, self_training=both), 40
    )
    assert student.train.labels_per_step == tuning.train.labels_per_step == 2
    assert student.train.train_steps == tuning.train.train_steps


def test_fine_tuning_with_a_learning_rate_of_its_own(tmp_path):
    loop = SelfTrainingConfig(
        num_iterations=1,
        finetune_input_image_sizes=(48,),
        finetune_base_lr=0.002,
        finetune_steps=500,
        finetune_unlabel_ratio=2,
    )
    config = with_loop(
        tmp_path,
        loop,
        train_batch_size=256,
        train_steps=600,
        final_base_lr=1e-4,
        learning_rate_schedule="ramps",
        ramp_up_steps=600,
    )
    ((_, tuning),) = students(config, num_labeled=256_000)
    assert tuning.train.total_steps(256_000) == 500
    rate = schedules.learning_rate(tuning.train, 256_000)
    assert float(rate(0)) == float(rate(499)) == pytest.approx(0.002)
    assert tuning.train.method == "noisy_student"
    assert tuning.train.unlabel_ratio == 2
    tuning.train.ramp_steps(256_000)


def test_more_steps_than_the_schedule_are_refused(tmp_path):
    loop = SelfTrainingConfig(
        num_iterations=1,
        finetune_input_image_sizes=(48,),
        finetune_steps=301,
    )
    config = with_loop(tmp_path, loop, train_steps=300, train_ratio=0.5)
    with pytest.raises(ValueError, match="finetune_steps=301 is more than the"):
        generations.plan(config, 1000)
    fewer = dataclasses.replace(loop, finetune_steps=300)
    ((_, tuning),) = students(dataclasses.replace(config, self_training=fewer))
    assert tuning.train.total_steps(1000) == 150


def test_flags_of_a_fine_tuning_that_there_is_not_are_refused(tmp_path):
    for sizes in ((), (0,)):
        loop = SelfTrainingConfig(
            finetune_input_image_sizes=sizes, finetune_batch_size=8
        )
        with pytest.raises(ValueError, match="finetune_batch_size=8 needs"):
            generations.check_settings(with_loop(tmp_path, loop))


def row(number, accuracy):
    return {"generation": number, "validation": {"top_1_accuracy": accuracy}}


def test_the_best_or_the_newest_teaches():
    rows = [row(0, 0.8), row(1, 0.9), row(2, 0.85)]
    assert generations.next_teacher(rows, "newest") == 2
    assert generations.next_teacher(rows, "best") == 1
    # Of equally good ones the newest; test images have no say.
    rows = [row(0, 0.9) | {"top_1_accuracy": 1.0}, row(1, 0.9)]
    assert generations.next_teacher(rows, "best") == 1


def test_each_generation_has_a_seed_of_its_own(tmp_path):
    config = with_loop(tmp_path, SelfTrainingConfig(num_iterations=3))
    seeds = [each.trainings[0].seed for each in generations.plan(config, 10)]
    assert len(set(seeds)) == 4
    again = [each.trainings[0].seed for each in generations.plan(config, 10)]
    assert seeds == again


@pytest.mark.parametrize(
    ("coefficients", "smaller"),
    [((0.5, 1.0), "1"), ((1.0, 0.9), "2"), ((), "")],
)
def test_a_smaller_student_is_a_warning(
    tmp_path, caplog, coefficients, smaller
):
    loop = SelfTrainingConfig(
        num_iterations=2, student_width_coefficients=coefficients
    )
    with caplog.at_level(logging.WARNING):
        of_students.check(with_loop(tmp_path, loop))
    if smaller:
        assert f"Student {smaller} is smaller than its teach" in caplog.text
    else:
        assert caplog.text == ""


def test_an_unknown_student_is_refused(tmp_path):
    loop = SelfTrainingConfig(student_model_names=("b1",))
    with pytest.raises(ValueError, match="Unknown model_name 'b1'"):
        of_students.check(with_loop(tmp_path, loop))
