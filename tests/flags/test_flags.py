"""Every flag reaches its setting, every setting something that reads it."""

import ast
import dataclasses
import inspect
import pathlib
import re

import pytest
from absl import flags as absl_flags

import flags
from flags.define import fields_of
from flags.help import help_of, short_help_of
from noisy_student import methods
from noisy_student.config import ExperimentConfig, Settings, tools
from tests.scripts import ROOT, python

EXPERIMENT = [ExperimentConfig, *flags.GROUPS.values()]
TOOLS = [
    group
    for name, group in inspect.getmembers(tools, inspect.isclass)
    if issubclass(group, Settings) and not name.startswith("_")
    if group is not Settings
]
FIELDS = [
    pytest.param(group, field, id=f"{group.__name__}.{field.name}")
    for group in EXPERIMENT + TOOLS
    for field in fields_of(group)
]
# What must be set beside any other setting.
REQUIRED = {
    tools.MakeSettings: {"output_dir": "/made", "input_dir": "/images"},
    tools.SvhnSettings: {"output_dir": "/made", "raw_data_dir": "/raw"},
}
OTHERS = {
    bool: (True, False),
    int: (3, 2, 1),
    float: (0.5, 0.25, 0.001),
    str: ("/another",),
}


def make_flags(*groups):
    """Flags like those of a script, none of them parsed."""
    values = absl_flags.FlagValues()
    for group in [*EXPERIMENT, *groups]:
        flags.define(group, values)
    return values


def parse(*arguments):
    values = make_flags()
    values(["main.py", *arguments])
    return flags.experiment_config(values)


def given_beside(group, name):
    required = dict(REQUIRED.get(group, {}))
    if name == "task_name":  # this, or a directory
        required.pop("input_dir", None)
    if name == "labels_csv":
        required["label_data_dir"] = "/images"
    return required


def another_value(group, field):
    """One that differs from the default and that the class allows."""
    candidates = field.rule.choices or OTHERS[field.value_type]
    if field.is_list:
        candidates = [(value,) for value in candidates]
    for value in candidates:
        given = given_beside(group, field.name) | {field.name: value}
        try:
            group(**given)
        except ValueError:
            continue
        if value != field.default:
            return value
    raise AssertionError(f"{field.name} allows none of {candidates}.")


def as_arguments(**given):
    for name, value in given.items():
        if isinstance(value, tuple):
            value = ",".join(map(str, value))
        yield f"--{name}={value}"


@pytest.mark.parametrize(("group", "field"), FIELDS)
def test_a_flag_arrives_in_its_setting(group, field):
    value = another_value(group, field)
    given = given_beside(group, field.name) | {field.name: value}
    values = make_flags(group) if group in TOOLS else make_flags()
    values(["script.py", *as_arguments(**given)])
    arrived = getattr(flags.read(group, values), field.name)
    assert arrived == value and type(arrived) is type(value)
    if group in EXPERIMENT:
        assert flags.experiment_config(values) != ExperimentConfig()


@pytest.mark.parametrize(("group", "field"), FIELDS)
def test_a_flag_has_the_default_and_help_of_its_setting(group, field):
    values = make_flags(group) if group in TOOLS else make_flags()
    flag = values[field.name]
    stated = field.default
    if field.is_list:
        stated = [str(value) for value in stated or ()] or None
    assert flag.default == stated
    assert field.help in flag.help
    for alias in field.rule.aliases:
        assert values[alias].default == flag.default


def test_without_flags_all_settings_have_their_defaults():
    assert parse() == ExperimentConfig()


def test_flags_are_defined_in_one_place():
    for path in [*ROOT.glob("flags/*.py"), *ROOT.glob("tools/*.py")]:
        defines = "DEFINE" in path.read_text()
        # Not of experiments are a flag of scripts, and those without effect.
        others = ("entry.py", "original.py")
        assert defines == (path.name in ("define.py", *others)), path


def attributes_read(tree):
    """The names of all attributes that code reads."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


@pytest.fixture(scope="module")
def read_by_the_library():
    """Attributes that the library and the scripts read.

    Of config/ all but `__post_init__`, which only checks and resolves.
    """
    names = set()
    library = [*(ROOT / "noisy_student").rglob("*.py")]
    for path in [*library, *ROOT.glob("tools/*.py"), ROOT / "main.py"]:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                node.body = [
                    child
                    for child in node.body
                    if getattr(child, "name", "") != "__post_init__"
                ]
        names |= attributes_read(tree)
    return names


@pytest.mark.parametrize(("group", "field"), FIELDS)
def test_a_setting_has_an_effect(group, field, read_by_the_library):
    """Something reads it, or another setting follows it."""
    if field.name in read_by_the_library:
        return
    given = given_beside(group, field.name)
    before = dataclasses.asdict(group(**given))
    value = another_value(group, field)
    after = dataclasses.asdict(group(**given, **{field.name: value}))
    assert {n for n in after if after[n] != before[n]} > {field.name}


@pytest.mark.parametrize(("group", "field"), FIELDS)
def test_help_is_a_sentence_and_says_the_default(group, field):
    text = field.help
    assert len(text) > 10 and text.endswith(".")
    if field.default is None and field.value_type is not str:
        assert "Default:" in text


def test_help_names_the_built_in_methods():
    help_of_method = make_flags()["method"].help
    for name in methods.names():
        assert name in help_of_method


def test_help_is_grouped_and_in_the_order_of_the_fields():
    text = help_of(EXPERIMENT, make_flags())
    patterns = [
        pattern
        for group in EXPERIMENT
        for pattern in (
            f"\n{re.escape(inspect.getdoc(group).splitlines()[0])}\n",
            *(rf"\n  --(\[no\])?{f.name}[:,] " for f in fields_of(group)),
        )
    ]
    places = [re.search(pattern, text).start() for pattern in patterns]
    assert places == sorted(places)
    assert "(default: 0.9; in [0, 1))" in text
    assert "--stochastic_depth_rate, --drop_connect_rate: Rate" in text
    assert "--augment_name: <none|v1|keras_cv>: none: random" in text
    assert "(default: -1; at least 0, or -1 for nothing)" in text
    assert max(map(len, text.splitlines())) <= 80


def test_short_help_has_a_line_for_each_flag():
    lines = short_help_of(EXPERIMENT).splitlines()
    assert max(map(len, lines)) <= 80
    entries = [line for line in lines if line.startswith("  --")]
    assert len(entries) == sum(len(fields_of(group)) for group in EXPERIMENT)
    (entry,) = [x for x in entries if x.startswith("  --train_batch_size ")]
    assert entry.split(maxsplit=1)[1].startswith("Labelled images per step")


@pytest.mark.parametrize(
    ("script", "shown", "hidden"),
    [
        (
            "tools/filter_unlabel.py",
            ["prediction_dir", "[no]only_get_stats", "num_image", "seed"],
            ["randaug_mag"],
        ),
        (
            "tools/import_checkpoint.py",
            ["source, --from", "[no]allow_new_head", "model_name"],
            ["num_image"],
        ),
        (
            "tools/make_records.py",
            ["input_dir", "task_name", "num_shards", "num_workers"],
            ["model_name"],
        ),
        (
            "tools/proc_svhn.py",
            ["raw_data_dir", "[no]full_train_data", "num_dev_images", "seed"],
            ["model_name"],
        ),
        (
            "tools/show_noise.py",
            ["magnitudes", "randaug_layer", "[no]cutout_op", "seed"],
            ["num_image"],
        ),
    ],
)
def test_help_of_a_script_lists_its_flags(script, shown, hidden):
    short = python(script, "--help").stdout
    text = python(script, "--helpfull").stdout
    for name in shown:
        assert f"\n  --{name}: " in text
        assert f"\n  --{name.split(',')[0]} " in short
    for name in hidden:
        assert f"\n  --{name}: " not in text
    if "import" in script:
        assert "(default here: imagenet2012)" in text


def test_a_script_has_defaults_of_its_own():
    values = make_flags(tools.MakeSettings)
    values(["make_records.py", "--input_dir=a", "--output_dir=b"])
    settings = flags.read(tools.MakeSettings, values)
    assert settings.num_shards == 128 and settings.task_name is None
    assert settings.num_workers >= 1


def test_names_are_those_of_main():
    assert set(flags.names()) < set(absl_flags.FLAGS)
    assert "randaug_mag" in flags.names() and "seed" in flags.names()
    assert "prediction_dir" not in flags.names()


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
    with pytest.raises(ValueError, match="must be numbers separated by commas"):
        parse("--student_width_coefficients=1,b")
    with pytest.raises(ValueError, match="shard_id must be at least 0; got -1"):
        parse("--shard_id=0,-1")


def test_an_empty_list_of_numbers_is_refused():
    """It may be an unset variable of a script, which would do all shards."""
    with pytest.raises(ValueError, match=r"shard_id must be integers.*got ''"):
        parse("--shard_id=")
    assert parse("--student_model_names=") == ExperimentConfig()


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


def test_paths_mean_the_same_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = parse(
        "--label_data_dir=photos;more/../other",
        "--unlabel_image_dir=gs://bucket/a;heap",
        "--unlabel_data_dir=filtered",
        "--init_model_path=s3://bucket/model.keras",
        "--teacher_model_path=a;b.keras",
    )
    here = pathlib.Path.cwd()
    assert config.data.label_data_dir == f"{here}/photos;{here}/other"
    assert config.data.unlabel_image_dir == f"gs://bucket/a;{here}/heap"
    assert config.data.unlabel_data_dir == f"{here}/filtered"
    assert config.train.init_weights == "s3://bucket/model.keras"
    assert config.train.teacher_model_path == f"{here}/a;b.keras"
