import dataclasses
import pathlib

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver

import flags
from noisy_student import methods
from noisy_student.stages import self_train

RECIPES = sorted(
    (pathlib.Path(flags.__file__).parent / "recipes").glob("*.cfg")
)


def parse(*arguments):
    with flagsaver.flagsaver():
        absl_flags.FLAGS(["main.py", *arguments])
        return methods.with_defaults(flags.experiment_config())


FINE_TUNING = [path for path in RECIPES if "finetune" in path.stem]
SELF_TRAINING = [path for path in RECIPES if path not in FINE_TUNING]


@pytest.mark.parametrize("path", SELF_TRAINING, ids=lambda path: path.stem)
def test_recipes_are_experiments(path):
    experiment = parse(f"--flagfile={path}", "--model_dir=x")
    assert experiment.mode == "self_train"
    assert experiment.train.method == "noisy_student"
    assert experiment.noise.augment_name == "v1"
    self_train.check_models(experiment)


@pytest.mark.parametrize("path", FINE_TUNING, ids=lambda path: path.stem)
def test_fine_tuning_is_of_the_same_model(path):
    """Its recipe goes on where the other of its name has ended."""
    tuning = parse(f"--flagfile={path}", "--model_dir=x")
    before = path.with_stem(path.stem.removesuffix("_finetune"))
    trained = parse(f"--flagfile={before}", "--model_dir=x")
    assert tuning.train.train_last_step_num < trained.train.train_steps
    assert tuning.noise.remove_aug and tuning.model.fix_layer_num > 0
    same = dataclasses.replace(tuning.model, fix_layer_num=-1)
    assert same == trained.model
    for name in ("base_learning_rate", "final_base_lr", "train_steps"):
        assert getattr(tuning.train, name) == getattr(trained.train, name)


COMPARED = RECIPES[0].parent / "compare"


@pytest.mark.parametrize("task", ["digits", "cifar10"])
def test_methods_are_compared_on_the_same_model_and_steps(task, monkeypatch):
    monkeypatch.chdir(COMPARED.parents[2])  # recipes name one another
    parsed = {
        method: parse(
            f"--flagfile={COMPARED / f'{task}_{method}.cfg'}", "--model_dir=x"
        )
        for method in methods.names()
    }
    assert len(list(COMPARED.glob(f"{task}_*.cfg"))) == len(parsed)
    base = parsed["supervised"]
    for method, experiment in parsed.items():
        assert experiment.train.method == method
        assert experiment.model == base.model
        assert experiment.data == base.data
        for name in (
            "train_batch_size",
            "optimizer",
            "max_learning_rate",
            "label_smoothing",
            "weight_decay",
            "moving_average_decay",
        ):
            ours = getattr(experiment.train, name)
            assert ours == getattr(base.train, name), (method, name)
        # Labelled images look alike; unlabelled ones are the method's.
        assert experiment.noise.augment_name == base.noise.augment_name
        steps = experiment.train.train_steps
        if method == "noisy_student":
            assert experiment.mode == "self_train"
            assert experiment.self_training.num_iterations == 1
            steps += experiment.train.teacher_train_steps
        else:
            assert experiment.mode == "train"
        assert steps == base.train.train_steps
        if method != "supervised":
            assert experiment.train.unlabel_ratio == 3


def test_flags_after_the_file_override_it():
    path = RECIPES[0]
    experiment = parse(f"--flagfile={path}", "--seed=7", "--unlabel_ratio=1.5")
    assert experiment.seed == 7
    assert experiment.train.unlabel_ratio == 1.5


def test_the_method_follows_the_ratio():
    assert parse().train.method == "supervised"
    assert parse("--unlabel_ratio=2").train.method == "noisy_student"
    both = parse("--unlabel_ratio=2", "--method=supervised")
    assert both.train.method == "supervised"


@pytest.mark.parametrize(
    "method", ["pi_model", "temporal_ensembling", "mean_teacher"]
)
def test_consistency_methods_have_their_papers_defaults(method):
    experiment = parse(f"--method={method}", "--unlabel_ratio=2")
    train, consistency = experiment.train, experiment.consistency
    assert train.optimizer == "adam" and train.max_learning_rate == 0.003
    assert train.learning_rate_schedule == "ramps"
    assert train.label_smoothing == 0
    assert (train.adam_beta1, train.adam_final_beta1) == (0.9, 0.5)
    assert train.ramp_steps(10) == (
        int(80 / 300 * train.schedule_steps(10)),
        int(50 / 300 * train.schedule_steps(10)),
    )
    assert consistency.max_consistency_weight == (
        30 if method == "temporal_ensembling" else 100
    )
    assert consistency.ensemble_decay == 0.6
    assert consistency.teacher_decay == 0.999
    assert consistency.teacher_decay_ramp_up == 0.99


def test_noisy_student_has_its_papers_defaults():
    for arguments in ([], ["--unlabel_ratio=2"]):
        train = parse(*arguments).train
        assert train.optimizer == "rmsprop" and train.label_smoothing == 0.1
        assert train.learning_rate_schedule == "staircase"
    chosen = parse("--optimizer=adam", "--learning_rate_schedule=staircase")
    assert chosen.train.learning_rate_schedule == "staircase"
    assert parse("--optimizer=adam").train.learning_rate_schedule == "ramps"
