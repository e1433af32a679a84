"""Every command that a text of the project prints is run, in a short form.

A command without an entry in `printed_entries.py` fails, and so does an entry
whose command is printed no more.
"""

import os
import pathlib
import re
import shlex
import socket

import numpy as np
import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver

import flags
from noisy_student import models
from noisy_student.config import ModelConfig
from noisy_student.config.tools import SvhnSettings
from noisy_student.data import records
from noisy_student.files import shards
from noisy_student.make_records import PrepareSvhn
from tests.data.directories import encode, photo, write_folders, write_shard
from tests.data.svhn_files import write_svhn
from tests.printed_commands import calls_of, collect
from tests.printed_entries import BENCHMARKS, ENTRIES, entry_of
from tests.scripts import ROOT, Process

COMMANDS = collect()

SECTIONS = {}
for command in COMMANDS:
    SECTIONS.setdefault(command.section, []).append(command.text)


def is_slow(texts):
    entries = [entry_of(text) for text in texts]
    return not all(entry is None or entry.quick for entry in entries)


def test_every_command_has_an_entry():
    missing = [command for command in COMMANDS if not entry_of(command.text)]
    assert not missing, "say in tests/printed_entries.py how to run these"


def test_every_entry_is_printed():
    used = {entry_of(command.text) for command in COMMANDS}
    assert not [entry for entry in ENTRIES if entry not in used]


def test_commands_are_found_in_every_form():
    """Blocks, loops, code in a line, and docstrings."""
    texts = {command.text for command in COMMANDS}
    assert "make quickstart" in texts
    assert "python main.py --help" in texts
    assert any(text.startswith("for worker in 0 1; do") for text in texts)
    assert any("--magnitudes=5,27" in text for text in texts)
    sections = {command.section.split(":")[0] for command in COMMANDS}
    assert {"README.md", "docs/scale.md", "main.py"} <= sections


def test_loops_are_unrolled():
    first, second = calls_of(
        "for i in 3 4; do A='{\"x\": '$i'}' python a.py --b=$i & done wait"
    )
    assert first.environment == {"A": '{"x": 3}'} and first.background
    assert second.arguments == ("a.py", "--b=4")
    (call,) = calls_of("python -m a --b='c d'")
    assert call.arguments == ("-m", "a", "--b=c d") and not call.background


OF_METHODS = ("docs/methods.md", "docs/compare.md")
MAIN = [
    (command, call)
    for command in COMMANDS
    if "main.py " in command.text and "..." not in command.text
    for call in calls_of(command.text)
    if "--help" not in call.arguments
]


def test_the_commands_of_the_section_on_methods_are_found():
    sections = [command.section for command, _ in MAIN]
    assert sum(name.startswith(OF_METHODS) for name in sections) == 3


@pytest.mark.parametrize("command, call", MAIN)
def test_arguments_of_main_are_experiments(command, call, monkeypatch):
    monkeypatch.chdir(ROOT)
    with flagsaver.flagsaver():
        absl_flags.FLAGS([*call.arguments])
        experiment = flags.experiment_config()
    if command.section.startswith(OF_METHODS):
        assert experiment.mode == "train"
        assert experiment.train.method in ("mean_teacher", "fixmatch:FixMatch")


@pytest.fixture
def directory(tmp_path):
    """A directory where commands run as they do in the project's."""
    for name in ("main.py", "flags", "noisy_student", "tools", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize(
    "section",
    [
        pytest.param(name, marks=[pytest.mark.slow] if is_slow(texts) else [])
        for name, texts in SECTIONS.items()
    ],
)
def test_commands_run_in_the_order_of_the_text(section, directory, request):
    entries = [(text, entry_of(text)) for text in SECTIONS[section]]
    if all(entry.no_flags for _, entry in entries):
        pytest.skip("; ".join({entry.elsewhere for _, entry in entries}))
    if any(word in text for text, _ in entries for word in OF_FINISHED):
        finished = request.getfixturevalue("finished")
        (directory / "runs").mkdir()
        finished.copy(directory / "runs/digits")
    missing = [run(text, entry, directory) for text, entry in entries]
    if any(missing):
        pytest.skip(next(filter(None, missing)))


# What has been run already, whatever was printed.
_done = set()


def run(text, entry, directory):
    """Runs a command in a short form; returns why it cannot be, or None."""
    if entry.no_flags:
        return None
    try:
        replaced, extra = prepare(text, entry.extra, directory)
    except FileNotFoundError as error:
        return str(error)
    processes = []
    for call in calls_of(replaced):
        arguments = [*call.arguments, *extra]
        effective = (call.arguments[:2], *sorted(effects(arguments).items()))
        is_benchmark = entry.start.startswith(BENCHMARKS)
        if entry.elsewhere or (is_benchmark and effective in _done):
            arguments.append("--only_check_args")
        _done.add(effective)
        process = Process(*arguments, directory=directory, **call.environment)
        processes.append(process)
        if not call.background:
            finish(processes, entry.code)
    finish(processes, entry.code)
    return None


def finish(processes, code):
    while processes:
        process = processes.pop(0)
        done = process.wait(600)
        assert done.returncode == code, (done.args, done.stderr[-3000:])


def effects(arguments):
    """What the flags of a command line come to: the last of each counts."""
    pairs = [argument.partition("=") for argument in arguments]
    return {name: value for name, _, value in pairs}


def prepare(text, extra, directory):
    """Makes what a command reads, and puts real names in place of others."""
    text = text.replace(" ...", "")
    words = f"{text} {extra}"
    for word, (name, make) in MAKERS.items():
        path = directory / name
        if word in words and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)
    if "DATA" in words:
        data = data_dir("cifar10")
        text, extra = text.replace("DATA", data), extra.replace("DATA", data)
    for port in sorted(set(re.findall(r"localhost:(\d+)", text))):
        with socket.create_server(("localhost", 0)) as free:
            text = text.replace(port, str(free.getsockname()[1]))
    return text, shlex.split(extra)


def data_dir(name):
    """A directory where tensorflow-datasets has images.

    Raises:
        FileNotFoundError: there is none.
    """
    given = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    path = pathlib.Path(given).expanduser().absolute()
    if not (path / name).is_dir():
        raise FileNotFoundError(f"{path} has no {name}; set TFDS_DATA_DIR")
    return str(path)


def make_svhn(path):
    write_svhn(path, train=60, test=20, extra=40)


def make_svhn_records(path):
    raw = path.with_name("raw")
    make_svhn(raw / "downloaded_data")
    settings = SvhnSettings(
        raw_data_dir=str(raw),
        output_dir=str(path),
        num_dev_images=20,
        num_shards=2,
    )
    stage = PrepareSvhn(settings)
    stage.validate()
    stage.run()


def make_photos(path):
    folders = {"train/a": 4, "train/b": 4, "test/a": 3, "test/b": 3}
    write_folders(path, folders | {"unlabelled": 20})


def make_heap(path):
    """Photographs in any folders, and a table of some labels beside them."""
    write_folders(path, {"a": 4, "b/c": 6})
    lines = [
        f"{folder}/00{i}.jpg,{folder[0]}"
        for folder in ("a", "b/c")
        for i in range(4)
    ]
    path.with_name("labels.csv").write_text("\n".join(["path,class", *lines]))


def make_records(path):
    """Records of two classes, as tools/make_records.py writes them."""
    path.mkdir()
    (path / "classes.txt").write_text("a\nb\n")
    for split, first in (("train", 20), ("test", 30)):
        examples = [(encode(photo(i)), i % 2) for i in range(first, first + 8)]
        write_shard(path / shards.shard_name(split, 0, 1), examples)


def make_truth(path):
    """A class, or -1, for each image of the heap that lies beside it."""
    images = sorted((path.parent / "heap").rglob("*.jpg"))
    np.save(path, np.arange(len(images)) % 3 - 1)


def make_predictions(path):
    path.mkdir()
    rows = np.random.default_rng(0).dirichlet(np.ones(10), 20)
    with shards.shard_writer(path / "train-info-00000-of-00001") as writer:
        for row in rows.astype(np.float32):
            writer.write(records.encode_prediction(row))


def make_model(path):
    """The student of CIFAR-10's recipe in its short form."""
    config = ModelConfig(
        "efficientnet-b0",
        num_classes=10,
        input_image_size=32,
        width_coefficient=0.1,
        depth_coefficient=0.1,
        small_image_model=True,
    )
    models.save_model(models.build_model(config), path)


PREDICTIONS = "runs/cifar10/generation_01/pseudo_labels/predictions"

# What texts say of a run of self-training that they do not make.
OF_FINISHED = (
    "audit.py --model_dir=runs/digits",
    "report.py --model_dir=runs/digits",
    "=eval --task_name=digits --model_dir=runs/digits",
    "=robustness --task_name=digits --model_dir=runs/digits",
    "--mode=export --model_dir=runs/digits",
)
# What else texts name and do not make, by how they name it.
MAKERS = {
    "=photos": ("photos", make_photos),
    "=heap": ("heap", make_heap),
    "=records --unlabel_image_dir": ("records", make_records),
    "=truth.npy": ("truth.npy", make_truth),
    "=RAW": ("RAW/downloaded_data", make_svhn),
    "--label_data_dir=svhn": ("svhn", make_svhn_records),
    "=cat.jpg": ("cat.jpg", lambda path: photo(0, (300, 260)).save(path)),
    f"={PREDICTIONS}": (PREDICTIONS, make_predictions),
    "--init_weights=runs/cifar10": ("runs/cifar10/model.keras", make_model),
}
