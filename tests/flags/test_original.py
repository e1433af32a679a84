"""The original program's flags: all are here, with their values and defaults.

docs/original.md says the same to people.
"""

import copy
import re

import pytest
from absl import flags as absl_flags

import flags
from flags import entry, original
from flags.define import fields_of
from noisy_student import methods
from noisy_student.config import tools
from tests.data.directories import write_folders
from tests.flags.original_flags import (
    ACCEPTED,
    ALIAS,
    DIFFERENT,
    SAME,
    SCRIPTS,
)
from tests.flags.test_flags import make_flags
from tests.scripts import ROOT, error_of, python, run

ROWS = [
    pytest.param(script, row, id=f"{script}-{row.name}")
    for script, rows in SCRIPTS.items()
    for row in rows
]
# A flag of a script's own settings; what else it needs.
OWN = {
    "main.py": (None, {}),
    "tools/filter_unlabel.py": (tools.FilterSettings, {}),
    "tools/proc_svhn.py": (
        tools.SvhnSettings,
        {"raw_data_dir": "/raw", "output_dir": "/svhn"},
    ),
}
# What makes its data the original's.
OF_ITS_DATA = {
    "main.py": ["--task_name=imagenet"],
    "tools/filter_unlabel.py": ["--task_name=imagenet"],
    "tools/proc_svhn.py": [],
}


def setting_of(script, name, arguments):
    """A setting of a script that is told this, of the original's data."""
    own, beside = OWN[script]
    values = make_flags() if own is None else make_flags(own)
    original.define_ignored(values)
    entry_flag = copy.deepcopy(absl_flags.FLAGS[entry.DEBUG.name])
    values[entry.DEBUG.name] = entry_flag
    others = [f"--{n}={v}" for n, v in beside.items() if n != name]
    values([script, *others, *arguments])
    if name in (*original.IGNORED, entry.DEBUG.name):
        return values[name].value
    if own is not None:
        settings = flags.read(own, values, original=True)
        if hasattr(settings, name):
            return getattr(settings, name)
    config = methods.with_defaults(flags.experiment_config(values))
    groups = [config, *(getattr(config, group) for group in flags.GROUPS)]
    [value] = (
        getattr(group, field.name)
        for group in groups
        for field in fields_of(type(group))
        if name in (field.name, *field.rule.aliases)
    )
    return value


@pytest.mark.parametrize(("script", "row"), ROWS)
def test_it_takes_the_originals_values(script, row):
    assert row.values
    for typed, meant in row.values.items():
        told = [*OF_ITS_DATA[script], f"--{row.name}={typed}"]
        given = setting_of(script, row.name, told)
        if row.kind == ACCEPTED:
            assert str(given) in (typed, str(typed != "0"))
        else:
            assert given == meant and type(given) is type(meant), typed


@pytest.mark.parametrize(("script", "row"), ROWS)
def test_its_default_is_the_originals_unless_the_table_says_so(script, row):
    if row.name in OWN[script][1]:  # it must be given
        with pytest.raises(ValueError, match=f"{row.name} must be set"):
            setting_of(script, row.name, OF_ITS_DATA[script])
        return
    default = setting_of(script, row.name, OF_ITS_DATA[script])
    assert default == row.here
    if row.kind in (SAME, ALIAS) and default is not None:
        typed = [f"--{row.name}={row.default}"] if row.default else []
        assert setting_of(script, row.name, typed) == default


def test_the_document_has_a_row_for_each_flag():
    text = (ROOT / "docs/original.md").read_text()
    cells = r"^\| `(\w+)` \| (.*?) \| (\w+) \| (.*?) \|$"
    printed = {}
    for part in re.split(r"^## ", text, flags=re.M):
        script = part.split("`")[1] if part.startswith("`") else None
        for name, default, kind, why in re.findall(cells, part, re.M):
            printed[script, name] = (default.strip("`"), kind)
            assert why or kind == SAME
    expected = {
        (script, row.name): (row.default or "none", row.kind)
        for script, rows in SCRIPTS.items()
        for row in rows
    }
    assert printed == expected


@pytest.fixture
def directories(tmp_path):
    """Records without and with a list of classes, and folders."""
    for path in ("proc", "svhn", "cifar10", "described"):
        (tmp_path / path).mkdir()
        (tmp_path / path / "train-00000-of-00001").touch()
    (tmp_path / "described/classes.txt").write_text("a\nb\n")
    write_folders(tmp_path / "photos", {"train/a": 1})
    return tmp_path


@pytest.mark.parametrize(
    ("task_name", "directory", "expected"),
    [
        ("imagenet", None, "imagenet"),
        ("svhn", None, "svhn"),
        ("svhn", "proc", "svhn"),
        ("imagenet", "described", "imagenet"),
        ("imagenet", "missing", "imagenet"),
        (None, "proc", "imagenet"),
        (None, "svhn", "svhn"),
        (None, None, None),
        (None, "cifar10", None),
        (None, "described", None),
        (None, "photos", None),
        (None, "missing", None),
        ("imagenet", "photos", None),
        ("imagenet2012", "proc", None),
        ("svhn_cropped", "proc", None),
        ("digits", None, None),
        ("cifar100", None, None),
    ],
)
def test_whose_defaults_are_the_originals(
    directories, task_name, directory, expected
):
    path = directory and str(directories / directory)
    assert original.task_of(task_name, path) == expected
    values = make_flags()
    arguments = [f"--task_name={task_name}"] if task_name else []
    arguments += [f"--label_data_dir={path}"] if path else []
    values(["main.py", *arguments])
    config = flags.experiment_config(values)
    if expected is None:
        assert config.train.train_batch_size == 128
        assert config.train.train_steps is None
        assert config.pseudo_labels.num_shards == 1
        assert config.run.use_tpu is False and not config.model.use_bfloat16
    else:
        names = {"imagenet": "imagenet2012", "svhn": "svhn_cropped"}
        assert config.data.task_name == names[expected]
        assert config.train.train_batch_size == 4096
        assert config.train.total_steps(num_labeled=7) == 109_474
        assert config.pseudo_labels.num_shards == 128
        assert config.run.use_tpu is None and config.model.use_bfloat16


def test_steps_follow_the_ratio_and_flags_that_are_given():
    values = make_flags()
    values(["main.py", "--task_name=svhn", "--train_ratio=2"])
    train = flags.experiment_config(values).train
    assert train.total_steps(num_labeled=7) == 218_948
    given = ["--train_batch_size=128", "--num_shards=1", "--nouse_bfloat16"]
    values(["main.py", "--task_name=svhn", *given])
    config = flags.experiment_config(values)
    assert config.train.train_batch_size == 128
    assert config.pseudo_labels.num_shards == 1
    assert not config.model.use_bfloat16


def test_scripts_that_the_original_has_not_have_our_defaults():
    values = make_flags()
    values(["import_checkpoint.py", "--task_name=svhn"])
    config = flags.experiment_config(values, as_original=False)
    assert config.data.task_name == "svhn_cropped"
    assert not config.model.use_bfloat16


def test_flags_without_effect_are_named_in_one_line():
    ignored = [
        "--master=grpc://10.0.0.2:8470",
        "--skip_host_call",
        "--data_format=channels_first",
        "--notranspose_input",
        "--num_tpu_cores=8",
        "--eval_imagenet_p=False",
    ]
    assert len(ignored) == len(original.IGNORED)
    for script in ("main.py", "tools/filter_unlabel.py"):
        process = python(script, *ignored, "--model_dir=", "--num_labeled=0")
        assert "num_labeled must be above 0" in error_of(process)
        [line] = re.findall(r".*do nothing.*", process.stderr)
        assert all(name in line for name in original.IGNORED)
    assert "nothing" not in run("--num_labeled=0").stderr


def test_an_unknown_flag_is_an_error_with_the_nearest_name():
    error = error_of(run("--train_batchsize=3"))
    assert "'train_batchsize'. Did you mean: train_batch_size" in error


def test_debug_takes_numbers_and_shows_traces():
    for typed, shown in (("0", False), ("1", True)):
        process = run("--num_labeled=0", f"--debug={typed}")
        assert process.returncode
        assert ("Traceback" in process.stderr) == shown


def test_every_kind_is_used():
    kinds = {row.kind for rows in SCRIPTS.values() for row in rows}
    assert kinds == {SAME, ALIAS, ACCEPTED, DIFFERENT}
