import dataclasses
import pathlib

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver

import flags
from noisy_student import config, self_training

RECIPES = sorted(
    (pathlib.Path(flags.__file__).parent / "recipes").glob("*.cfg")
)


def parse(*arguments):
    with flagsaver.flagsaver():
        absl_flags.FLAGS(["main.py", *arguments])
        return flags.experiment_config()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_experiments(path):
    experiment = parse(f"--flagfile={path}", "--model_dir=x")
    assert experiment.mode == "self_train"
    assert experiment.train.method == "noisy_student"
    assert experiment.noise.augment_name == "v1"
    self_training.check_models(experiment)


def test_flags_after_the_file_override_it():
    path = RECIPES[0]
    experiment = parse(f"--flagfile={path}", "--seed=7", "--unlabel_ratio=1.5")
    assert experiment.seed == 7
    assert experiment.train.unlabel_ratio == 1.5


def test_every_field_has_its_flag():
    """A setting that no flag reaches is dead; facts of tasks are not."""
    facts = {"num_classes", "mean", "std", "input_image_size"}
    names = set(absl_flags.FLAGS)
    for group in dataclasses.fields(config.ExperimentConfig):
        if not dataclasses.is_dataclass(group.type):
            assert group.name in names
            continue
        for field in dataclasses.fields(group.type):
            assert field.name in names | facts, field.name


def test_every_flag_has_help():
    for group in flags.GROUPS:
        for flag in absl_flags.FLAGS.flags_by_module_dict()[group.__name__]:
            assert len(flag.help) > 10, flag.name


def test_the_method_follows_the_ratio():
    assert parse().train.method == "supervised"
    assert parse("--unlabel_ratio=2").train.method == "noisy_student"
    both = parse("--unlabel_ratio=2", "--method=supervised")
    assert both.train.method == "supervised"


def test_lists_are_parsed():
    experiment = parse(
        "--shard_id=0,2",
        "--num_iterations=2",
        "--student_width_coefficients=1.0,1.5",
    )
    assert experiment.predict.shard_id == (0, 2)
    assert experiment.self_training.student_width_coefficients == (1.0, 1.5)
    with pytest.raises(ValueError, match="shard_id must be integers"):
        parse("--shard_id=a")


def test_the_originals_other_name_of_stochastic_depth():
    model = parse("--drop_connect_rate=0.3").model
    assert model.stochastic_depth_rate == 0.3


def test_the_model_is_as_the_flags_say():
    model = parse(
        "--use_bfloat16",
        "--remat",
        "--fix_layer_num=4",
        "--num_shards_per_group=-2",
        "--dropout_rate=0.1",
    ).model
    assert model.use_bfloat16 and model.remat
    assert model.fix_layer_num == 4 and model.num_shards_per_group == -2
    assert model.dropout_rate == 0.1
    for bad in ("--fix_layer_num=-3", "--num_shards_per_group=0"):
        with pytest.raises(ValueError, match=bad[2:].split("=")[0]):
            parse(bad)
