"""Bad flags and paths end main.py early, with one line."""

import pytest

from noisy_student import models
from noisy_student.config import ModelConfig
from tests.scripts import EFFICIENTNET, TINY, error_of, run

CASES = [
    (["--task_name=nope"], "Unknown task_name 'nope'"),
    (["--mode=predict", "--output=a.csv"], "set image_dir to it"),
    (["--model_name=resnet"], "Unknown model_name 'resnet'; known are"),
    (["--student_model_names=b1"], "Unknown model_name 'b1'"),
    (
        ["--num_iterations=3", "--student_unlabel_ratios=14,28"],
        "student_unlabel_ratios must be one value or 3 (num_iterations)",
    ),
    (
        ["--student_train_batch_sizes=10,20,30"],
        "one value or 1 (num_iterations); got '10,20,30'",
    ),
    (
        [*EFFICIENTNET, "--student_input_image_sizes=7"],
        "student 1: The strides of",
    ),
    (
        [
            *EFFICIENTNET,
            "--finetune_input_image_sizes=16",
            "--finetune_fix_layer_num=99",
        ],
        "fine-tuning of student 1: efficientnet-b0 has 7 blocks",
    ),
    (
        ["--finetune_input_image_sizes=16", "--finetune_steps=7"],
        "finetune_steps=7 is more than the 6 steps of the schedule",
    ),
    (["--finetune_steps=2"], "finetune_steps=2 needs finetune_input_image_s"),
    (["--next_teacher=best"], "=best chooses by validation images, never by"),
    (["--early_stopping_students=1"], "chooses by validation images, never"),
    (
        ["--mode=train", "--method=supervised", "--keep=best"],
        "keep=best chooses by validation images, never by test",
    ),
    (
        ["--mode=train", "--method=supervised", "--early_stopping_evals=2"],
        "early_stopping_evals=2 chooses by validation images",
    ),
    (
        [*EFFICIENTNET, "--input_image_size=7"],
        "8x8 pixels; got input_image_size=7",
    ),
    (
        [
            *EFFICIENTNET,
            "--mode=train",
            "--method=supervised",
            "--fix_layer_num=99",
        ],
        "blocks; got fix_layer_num=99",
    ),
    (
        ["--fix_layer_num=1"],
        "fix_layer_num=1 is for weights that were trained before",
    ),
    (
        ["--mode=train", "--method=supervised", "--fix_layer_num=0"],
        "fix_layer_num=0 is for weights that were trained before",
    ),
    (
        ["--freeze_batch_norm"],
        "freeze_batch_norm is for weights that were trained before, and stud",
    ),
    (
        ["--mode=train", "--method=supervised", "--train_last_step_num=3"],
        "train_last_step_num=3 is for weights that were trained before",
    ),
    (["--init_model"], "init_model needs init_weights"),
    (["--num_labeled=9"], "num_labeled=9 must be at least the number of cla"),
    (["--num_labeled=5000"], "num_labeled=5000 is more than the 1397 images"),
    (["--unlabel_ratio=0"], "set unlabel_ratio to 3, say, or use mode=train"),
    (["--mode=train"], "set unlabel_data_dir"),
    (
        ["--unlabel_truth=/no.npy"],
        "is for unlabelled images of unknown classes, and there are none",
    ),
    (
        ["--mode=train", "--unlabel_truth=/no.npy"],
        "unlabel_truth is for the pseudo labels of mode=self_train, and of",
    ),
    (
        ["--mode=predict", "--image_dir=.", "--unlabel_truth=/no.npy"],
        "unlabel_truth is for the pseudo labels of mode=self_train, and of",
    ),
    (
        ["--mode=train", "--noise_teacher"],
        "noise_teacher is for the pseudo labels of mode=self_train and mode=p",
    ),
    (
        ["--mode=predict", "--image_dir=.", "--noise_teacher"],
        "noise_teacher is for the pseudo labels of mode=self_train and mode=p",
    ),
    (["--method=pi_model"], "use mode=train for pi_model"),
    (["--method=nope"], "must be one of mean_teacher, noisy_student, pi_model"),
    (["--method=nowhere:Nothing"], "method=nowhere:Nothing is not there"),
    (["--method=numpy:ndarray"], "numpy:ndarray is no noisy_student.methods"),
    (
        ["--mode=train", "--method=mean_teacher", "--unlabel_ratio=0"],
        "method=mean_teacher learns from unlabelled images",
    ),
    (
        ["--mode=train", "--method=noisy_student", "--unlabel_ratio=0"],
        "method=noisy_student learns from unlabelled images: unlabel_ratio",
    ),
    (
        ["--mode=train", "--method=noisy_student.methods:Method"],
        "Method is no noisy_student.methods.Method with",
    ),
    (
        ["--mode=train", "--method=supervised", "--ramp_up_steps=9"],
        "ramp_up_steps=9 is longer than the training, which has 6 steps",
    ),
    (
        ["--mode=train", "--method=pi_model", "--ramp_up_steps=7"],
        "ramp_up_steps=7 is longer than the training, which has 6 steps",
    ),
    (
        ["--mode=train", "--method=mean_teacher", "--ramp_down_steps=9"],
        "ramp_down_steps=9 is longer than the training, which has 6 steps",
    ),
    (["--ensemble_decay=1"], "ensemble_decay must be in [0, 1); got 1.0"),
    (["--teacher_decay=1.5"], "teacher_decay must be in [0, 1); got 1.5"),
    (["--teacher_decay_ramp_up=-1"], "teacher_decay_ramp_up must be in [0, 1)"),
    (["--adam_beta1=1"], "adam_beta1 must be in [0, 1); got 1.0"),
    (["--max_consistency_weight=-1"], "weight must be at least 0; got -1.0"),
    (["--max_consistency_weight=inf"], "weight must be finite; got inf"),
    (["--mode=train", "--unlabel_data_dir=/none"], "/none does not hold"),
    (["--mode=predict"], "output_dir must be set"),
    (["--mode=eval"], "There is no model at"),
    (["--train_steps=0"], "train_steps must be above 0; got 0"),
    (["--final_base_lr=1"], "final_base_lr must be above 0 and below"),
    (["--min_threshold=1.5"], "min_threshold must be in [0, 1]; got 1.5"),
    (["--student_width_coefficients=a"], "numbers separated by commas"),
    (
        ["--task_name=cifar10", "--tfds_data_dir=/none"],
        "tfds_data_dir /none does not exist",
    ),
    (["surplus"], "unknown arguments surplus"),
    (["--accumulation_steps=3"], "1 replicas x 3 accumulation_steps; got 10"),
    (["--label_data_sample_prob=0"], "must be in (0, 1]; got 0.0"),
    (["--use_tpu"], "There is no TPU 'local'"),
    (["--tpu=grpc://localhost:1"], "There is no TPU 'grpc://localhost:1'"),
    (["--use_tpu", "--distribution=mirrored"], "leave one of them out"),
    (["--distribution=multi_worker"], "TF_CONFIG is not set"),
    (["--init_model_path=/none"], "/none is neither a .keras file"),
    (
        ["--init_weights=noisy-student", "--model_name=efficientnet-lite0"],
        "There are no weights noisy-student of efficientnet-lite0; there are",
    ),
    (["--student_init=pretrained"], "pretrained needs init_weights"),
    (
        [
            "--student_init=teacher",
            "--student_model_names=efficientnet-b0,efficientnet-b1",
            "--num_iterations=2",
        ],
        "student_init=teacher needs students of their teacher's model",
    ),
    (["--teacher_model_path=/none"], "is for mode=train"),
    (
        ["--mode=train", "--teacher_model_path=/none"],
        "/none is neither a .keras file",
    ),
    (
        ["--mode=train", "--method=supervised", "--train_last_step_num=99"],
        "train_last_step_num=99 is more than the schedule's 6 steps",
    ),
]

BROKEN_CLUSTER = '{"cluster": {"worker": ["a:1", "b"]}, "task": {}}'


@pytest.mark.parametrize(
    ("arguments", "complaint"), CASES, ids=[case[1] for case in CASES]
)
def test_bad_input_is_one_line_and_touches_nothing(
    arguments, complaint, tmp_path
):
    directory = tmp_path / "run"
    process = run(*TINY, f"--model_dir={directory}", *arguments)
    assert complaint in error_of(process)
    assert not directory.exists()


def test_an_unknown_flag_or_choice_is_refused():
    for flag in ("--num_labelled=50", "--augment_name=v3"):
        assert flag.split("=")[0].strip("-") in error_of(run(flag))


def test_a_full_directory_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    process = run(*TINY, f"--model_dir={tmp_path}")
    assert process.returncode == 2
    assert "is not empty and has no config.json" in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_help_lists_every_flag_with_its_text():
    short = run("--help").stdout
    text = run("--helpfull").stdout
    for flag in ("--model_dir", "--randaug_mag", "--num_iterations"):
        assert flag in text and flag in short
    assert len(short.splitlines()) < len(text.splitlines()) / 2
    assert "a teacher's probabilities" in text.replace("\n    ", " ")


def test_a_broken_cluster_is_refused(tmp_path):
    process = run(
        *TINY, f"--model_dir={tmp_path}/run", TF_CONFIG=BROKEN_CLUSTER
    )
    assert process.returncode == 2
    assert "TF_CONFIG has the address 'b'" in process.stderr


def test_models_that_do_not_fit_are_refused(tmp_path):
    """Given weights, or a teacher, of other classes than the task's."""
    config = ModelConfig(
        "efficientnet-b0",
        num_classes=3,
        input_image_size=8,
        width_coefficient=0.1,
        depth_coefficient=0.1,
        small_image_model=True,
    )
    models.save_model(models.build_model(config), tmp_path / "other.keras")
    for flags, complaint in (
        (
            [
                "--method=supervised",
                f"--init_model_path={tmp_path}/other.keras",
            ],
            "of another shape: head/dense/kernel is (128, 3)",
        ),
        (
            [f"--teacher_model_path={tmp_path}/other.keras"],
            "knows 3 classes, and the task has 10",
        ),
    ):
        model_dir = tmp_path / "run"
        process = run(
            *TINY,
            *EFFICIENTNET,
            "--mode=train",
            *flags,
            f"--model_dir={model_dir}",
        )
        assert process.returncode == 2, process.stderr
        assert complaint in process.stderr
        assert not model_dir.exists()
