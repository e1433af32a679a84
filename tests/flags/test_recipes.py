import dataclasses
import pathlib

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver

import flags
from noisy_student import methods, models
from noisy_student.files import run_directory
from noisy_student.stages import first_teacher, generations
from noisy_student.training import schedules
from tests.scripts import ROOT
from tools.studies import arms
from tools.studies.settings import check_file

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
    generations.check_settings(experiment)


# (unlabel_ratio, magnitude of RandAugment, train_ratio, resolution), the
# original's.
IMAGENET = {
    "b0": (1, None, 2, 224),
    "b1": (3, None, 2, 240),
    "b2": (3, 6, 2, 260),
    "b3": (3, 12, 2, 300),
    "b4": (3, 15, 2, 380),
    "b5": (3, 18, 1, 456),
    "b6": (3, 24, 1, 528),
    "b7": (3, 27, 1, 600),
}
IMAGES = 1_281_167


def plan_of(name, monkeypatch):
    """The generations of a recipe on ImageNet, which it does not open."""
    monkeypatch.chdir(ROOT)  # recipes name one another
    path = f"flags/recipes/imagenet/{name}.cfg"
    config = parse(f"--flagfile={path}", "--model_dir=x")
    generations.check_settings(config)
    return config, generations.plan(config, IMAGES)


@pytest.mark.parametrize("name", IMAGENET)
def test_recipes_of_imagenet_are_the_originals(name, monkeypatch):
    ratio, magnitude, train_ratio, resolution = IMAGENET[name]
    config, (teacher, student) = plan_of(name, monkeypatch)
    noise, train = config.noise, config.train
    assert noise.augment_name == ("none" if magnitude is None else "v1")
    assert magnitude is None or noise.randaug_mag == magnitude
    assert train.unlabel_ratio == ratio
    assert train.teacher_softmax_temp == 1
    # 350 epochs, or twice as many.
    assert train.schedule_steps(IMAGES) == train_ratio * 109474
    for generation in (teacher, student):
        (training,) = generation.trainings
        model = training.config.model
        assert model.model_name == f"efficientnet-{name}"
        assert models.input_side(model) == resolution
        models.check_model(model)


def test_the_recipe_of_l2_has_three_iterations(monkeypatch):
    config, (teacher, *students) = plan_of("l2", monkeypatch)
    assert teacher.trainings[0].config.model.model_name == "efficientnet-b7"
    assert config.self_training.filter_once
    ratios = []
    for student in students:
        training, tuning = (each.config for each in student.trainings)
        ratios.append(training.train.unlabel_ratio)
        for own, side in ((training, 475), (tuning, 800)):
            assert own.model.model_name == "efficientnet-l2"
            assert own.data.input_image_size == side
            models.check_model(
                dataclasses.replace(own.model, input_image_size=side)
            )
        rate = schedules.learning_rate(training.train, IMAGES)
        assert rate.peak == pytest.approx(0.128)
        assert training.train.train_batch_size == 2048
        epochs = tuning.train.total_steps(IMAGES) * 2048 / IMAGES
        assert epochs == pytest.approx(1.5, abs=0.01)
        assert tuning.noise.remove_aug
        assert tuning.train.method == "supervised"
    assert ratios == [14, 14, 28]


def test_the_recipe_of_svhn_is_the_originals():
    path = RECIPES[0].with_name("svhn.cfg")
    config = parse(f"--flagfile={path}", "--model_dir=x")
    train = config.train
    assert config.data.task_name == "svhn_cropped"
    assert (train.train_batch_size, train.unlabel_ratio) == (128, 5)
    assert train.teacher_softmax_temp == 1 and train.weight_decay == 1e-4
    assert train.final_base_lr == 2e-4 and config.noise.randaug_mag == 5
    assert config.pseudo_labels.num_image == 53113


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


STUDIES = RECIPES[0].parents[1] / "studies"


@pytest.mark.parametrize(
    "path", sorted(STUDIES.iterdir()), ids=lambda path: path.name
)
def test_arms_of_studies_are_experiments(path, monkeypatch):
    monkeypatch.chdir(ROOT)  # they name recipes
    found = arms.read(path, [])
    assert len({arm.flags for arm in found}) == len(found)
    for arm in found:
        experiment = parse(*arm.flags, "--model_dir=x")
        if experiment.mode == "self_train":
            generations.check_settings(experiment)
    if (path / "study.cfg").exists():
        check_file(path / "study.cfg")


SHARED = [
    path
    for path in sorted(STUDIES.iterdir())
    if "--share_teacher" in (path / "study.cfg").read_text()
]


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.name)
def test_arms_that_share_a_teacher_have_the_same(path, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    teachers = [
        generations.plan(parse(*arm.flags, f"--model_dir={tmp_path}"), 50)[0]
        for arm in arms.read(path, [])
    ]
    base, *others = (teacher.trainings[0] for teacher in teachers)
    run_directory.claim(base.settings.directory, base.settings)
    base.model.touch()
    for other in others:
        settings = dataclasses.replace(other.settings, model_dir="elsewhere")
        other = dataclasses.replace(other, settings=settings)
        first_teacher.check(other, str(tmp_path))


@pytest.mark.parametrize("task", ["digits", "cifar10"])
def test_methods_are_compared_on_the_same_model_and_noise(task):
    found = arms.read(STUDIES / f"methods_{task}", [])
    parsed = {
        "supervised" if arm.name == "base" else arm.name: parse(*arm.flags)
        for arm in found
    }
    assert parsed.keys() >= set(methods.names())
    base = parsed["supervised"]
    for method in methods.names():
        assert parsed[method].train.method == method
    for arm, experiment in parsed.items():
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
            assert ours == getattr(base.train, name), (arm, name)
        assert experiment.noise == base.noise
        if arm == "noisy_student":
            assert experiment.mode == "self_train"
            assert experiment.self_training.num_iterations == 1
        else:
            assert experiment.mode == "train"
        if experiment.train.method != "supervised":
            assert experiment.train.unlabel_ratio >= 1


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
