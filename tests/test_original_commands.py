"""The original program's commands for SVHN, as its users type them.

What differs is where the scripts lie, 8 shards in place of 128, a small model
(the checkpoint's), small batches and few steps. The images are scanned digits
in files like SVHN's.
"""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import noisy_student
from tests.conftest import FIXTURES
from tests.data.svhn_files import write_svhn
from tests.original_scripts import (
    EVAL,
    FILTER,
    FILTERED,
    MAIN,
    OFFLINE,
    PREDICT,
    PREDICT_EXTRA,
    PREPRO,
    PROC,
    RAW,
    REASSIGN,
    RUN,
    TEACHER,
    UNLABELED,
)
from tests.scripts import ROOT, error_of, python

SHARDS = range(8)
DEV = 20
SIZES = {"train": 52, "test": 20, "extra": 160}
# Above 5 epochs, which are the warm-up.
STEPS = 30
SMALL_MODEL = ("--width_coefficient=0.25", "--depth_coefficient=0.34")
SMALL_RUN = ("--train_batch_size=8", f"--train_steps={STEPS}")
NUM_SHARDS = f"--num_shards={len(SHARDS)}"
# So few that some shards keep nothing, and have no file then.
SMALL_FILTER = (NUM_SHARDS, "--num_image=3")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Where the commands run, as in a checkout; the images are there."""
    path = tmp_path_factory.mktemp("noisystudent")
    for name in ("main.py", "flags", "noisy_student", "tools"):
        (path / name).symlink_to(ROOT / name)
    write_svhn(path / RAW / "downloaded_data", **SIZES)
    teacher = path / TEACHER
    teacher.parent.mkdir(parents=True)
    for part in FIXTURES.glob("svhn_small/model.ckpt.*"):
        shutil.copy(part, teacher.parent)
    run(path, *PREPRO, f"--num_dev_images={DEV}", NUM_SHARDS)
    return path


def run(directory, *arguments):
    """Runs a command to its end; returns what it prints."""
    done = python(*arguments, directory=directory)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def refusal(directory, *arguments):
    return error_of(python(*arguments, directory=directory))


def features(paths):
    """The features of all records of some files, in order."""
    for record in tf.data.TFRecordDataset(list(map(str, paths))):
        yield tf.train.Example.FromString(record.numpy()).features.feature


def accuracy(model, paths):
    """The share of the images of record files that a model has right."""
    examples = list(features(paths))
    images = tf.stack(
        [
            tf.io.decode_jpeg(example["image/encoded"].bytes_list.value[0])
            for example in examples
        ]
    )
    labels = [e["image/class/label"].int64_list.value[0] for e in examples]
    return np.mean(np.argmax(model(images), axis=1) == np.array(labels) - 1)


def assert_evaluates(directory, model_dir):
    """The evaluation's command, against the model itself."""
    printed = run(directory, *EVAL, f"--model_dir=./{model_dir}", *SMALL_MODEL)
    found = json.loads(printed.splitlines()[-1])
    model = noisy_student.load_model(directory / model_dir / "model.keras")
    for key, split in (("", "test"), ("validation_", "dev")):
        paths = sorted((directory / PROC).glob(f"{split}-*"))
        expected = accuracy(model, paths)
        assert found[f"{key}top_1_accuracy"] == pytest.approx(expected)


@pytest.mark.slow
def test_the_teacher_labels_in_the_step(directory):
    """The notebook's three commands: prepro, run and evaluation."""
    printed = run(directory, *RUN, *SMALL_MODEL, *SMALL_RUN)
    assert json.loads(printed.splitlines()[-1])["step"] == STEPS
    assert_evaluates(directory, "ckpt/exp_1")


@pytest.mark.slow
def test_images_without_labels_need_a_teacher(directory):
    """The records of `unlabeled` have probabilities that are all zero."""
    error = refusal(
        directory,
        *OFFLINE,
        f"--unlabel_data_dir={UNLABELED}",
        *SMALL_MODEL,
        *SMALL_RUN,
    )
    assert UNLABELED in error and "teacher_model_path" in error


@pytest.mark.slow
def test_the_scripts_wrong_directory_is_refused(directory):
    """They pass the parent of all that they make as label_data_dir."""
    (directory / PREDICT).mkdir(parents=True, exist_ok=True)
    error = refusal(
        directory,
        *PREDICT_EXTRA,
        f"--label_data_dir={PREDICT}/",
        "--shard_id=0",
        NUM_SHARDS,
        *SMALL_MODEL,
    )
    assert f"{PREDICT} has no files extra-00000" in error
    assert UNLABELED in error  # the right one


@pytest.fixture(scope="module")
def filtered(directory):
    """Predicts, and filters in two phases, shard by shard."""
    for shards in ("0", ",".join(map(str, SHARDS[1:]))):
        run(
            directory,
            *PREDICT_EXTRA,
            f"--shard_id={shards}",
            NUM_SHARDS,
            *SMALL_MODEL,
        )
    for only_get_stats in (1, 0):
        for shard in reversed(SHARDS):
            run(
                directory,
                *FILTER,
                f"--shard_id={shard}",
                f"--only_get_stats={only_get_stats}",
                *SMALL_FILTER,
            )
    return directory


@pytest.mark.slow
def test_the_labels_are_made_before(filtered):
    """Prediction, filter, training and evaluation one after the other."""
    made = filtered / PREDICT
    names = {path.name for path in (made / "predict_label").glob("train-*")}
    assert names == {f"train-info-{i:05d}-of-00008-00000" for i in SHARDS}
    counts = [
        json.loads(
            (made / f"info/info-{i:05d}-of-00008-00000.txt").read_text()
        )["image_num"]
        for i in SHARDS
    ]
    assert sum(counts) == SIZES["extra"]
    assert len(list((made / "prelim_stats").iterdir())) == len(SHARDS)
    thresholds = json.loads((made / "filter_data/threshold.json").read_text())
    assert set(thresholds) == set(map(str, range(10)))
    run(filtered, *OFFLINE, *SMALL_MODEL, *SMALL_RUN)
    assert_evaluates(filtered, "ckpt/exp_2")


def test_the_document_prints_these_commands():
    text = (ROOT / "docs/original.md").read_text().replace("\\\n  ", "")
    commands = [
        PREPRO,
        RUN,
        (*EVAL, "--model_dir=./ckpt/exp_1"),
        (*PREDICT_EXTRA, "--shard_id=0"),
        (*FILTER, "--shard_id=0", "--only_get_stats=1"),
        (*FILTER, "--shard_id=0", "--only_get_stats=0"),
        OFFLINE,
        (*EVAL, "--model_dir=./ckpt/exp_2"),
        (*REASSIGN, "--shard_id=0"),
    ]
    printed = [line for line in text.splitlines() if line.startswith("python ")]
    assert printed == [" ".join(("python", *words)) for words in commands]


OWN_IMAGES = (
    "--task_name=svhn",
    f"--label_data_dir={PROC}",
    f"--unlabel_image_dir={UNLABELED}",
    NUM_SHARDS,
)


@pytest.mark.slow
def test_our_own_flags_filter_the_same_records(filtered):
    run(
        filtered,
        *MAIN,
        "--mode=predict",
        *OWN_IMAGES,
        f"--predict_ckpt_path={TEACHER}",
        "--output_dir=own/predictions",
        *SMALL_MODEL,
    )
    run(
        filtered,
        "tools/filter_unlabel.py",
        *OWN_IMAGES,
        "--prediction_dir=own/predictions",
        "--output_dir=own/filtered",
        "--min_threshold=0.3",
        *SMALL_FILTER,
    )
    theirs, ours = (
        by_shard(filtered / FILTERED),
        by_shard(filtered / "own/filtered/data"),
    )
    assert 0 < len(theirs) < len(ours) == len(SHARDS)
    assert theirs == {shard: ours[shard] for shard in ours if ours[shard]}


def by_shard(directory):
    """The records of each shard, of `train-0-00003-of-00008` or without 0."""
    return {
        path.name[-14:]: list(
            tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        )
        for path in directory.glob("train-*")
    }


@pytest.mark.slow
def test_a_teacher_labels_its_own_images_as_before(filtered):
    """Reassigning, shard by shard; the records are others, shuffled anew."""
    for shards in ("0", ",".join(map(str, SHARDS[1:]))):
        run(
            filtered,
            *REASSIGN,
            f"--shard_id={shards}",
            NUM_SHARDS,
            *SMALL_MODEL,
        )
    before = by_image(filtered / FILTERED)
    after = by_image(filtered / PREDICT / "reassign")
    assert len(before) == len(after) > 0
    for old, new in zip(before, after, strict=True):
        for key in ("image/encoded", "label"):
            assert old[key] == new[key]
        np.testing.assert_allclose(
            old["probabilities"].float_list.value,
            new["probabilities"].float_list.value,
            atol=1e-5,
        )


def by_image(directory):
    """The features of all records of a directory, in an order of images."""
    found = features(sorted(directory.glob("train-*")))
    return sorted(
        found, key=lambda example: example["image/encoded"].bytes_list.value[0]
    )
