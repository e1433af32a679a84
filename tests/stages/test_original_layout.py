"""The original's commands, by shard, on its directories."""

import collections
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import pseudo_labels
from noisy_student.data import pseudo_labeled
from tests.stages import original
from tests.stages.original import (
    BROKEN,
    NUM_SHARDS,
    SHARDS,
    Commands,
    digit,
    filter_unlabel,
    main,
    read,
)

pytestmark = pytest.mark.slow

WHOLE = range(NUM_SHARDS)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """All that the scripts for SVHN make, a shard at a time."""
    root = tmp_path_factory.mktemp("svhn")
    original.make_directories(root)
    original.make_teacher(root / "teacher.keras")
    original.make_teacher(root / "better.keras", seed=1)
    commands = Commands(root)
    for shard in WHOLE:
        commands.predict(shard)
    commands.filter(1, *reversed(WHOLE))
    # The second phase changes it.
    shutil.copy(root / "predict/filter_data/threshold.json", root / "first")
    commands.filter(0, *reversed(WHOLE))
    for shard in WHOLE:
        commands.reassign(shard, teacher="better")
    return root


def records(directory):
    """What filtered records hold, with how often each is there."""
    found = collections.Counter()
    for path in directory.glob("train-*"):
        for record in read(path):
            found[
                record["image/encoded"][0],
                record["label"][0],
                np.float32(record["probabilities"]).tobytes(),
            ] += 1
    assert found
    return found


def names(directory):
    return sorted(path.name for path in directory.iterdir() if path.is_file())


def shard_names(prefix, shards, suffix=""):
    count = f"{NUM_SHARDS:05d}"
    return [f"{prefix}-{shard:05d}-of-{count}{suffix}" for shard in shards]


def predicted(root, teacher, pixels):
    from noisy_student import models

    model = models.load_model(root / f"{teacher}.keras")
    return tf.nn.softmax(model(np.stack(pixels), training=False)).numpy()


def test_predictions_have_the_originals_names_and_keys(root):
    directory = root / "predict/predict_label"
    assert names(directory) == shard_names("train-info", WHOLE, "-00000")
    infos = shard_names("info", WHOLE, "-00000.txt")
    assert names(root / "predict/info") == infos
    for shard, numbers in enumerate(SHARDS):
        info = json.loads((root / "predict/info" / infos[shard]).read_text())
        assert info["image_num"] == len(numbers)
        found = list(read(directory / names(directory)[shard]))
        assert all(set(x) == {"classes", "probabilities"} for x in found)
        rows = np.array([x["probabilities"] for x in found])
        expected = np.zeros_like(rows)
        if shard != BROKEN:
            pixels = [digit(number)[0] for number in numbers]
            expected = predicted(root, "teacher", pixels)
        np.testing.assert_allclose(rows, expected, atol=1e-4)
        assert [x["classes"] for x in found] == [[i] for i in rows.argmax(1)]


def test_filtered_records_have_the_originals_names_and_statistics(root):
    directory = root / "predict/filter_data"
    kept = [shard for shard in WHOLE if shard != BROKEN]
    assert names(directory / "data") == shard_names("train-0", kept)
    final = json.loads((directory / "stats/final_stats.json").read_text())
    counts = collections.Counter()
    for shard in WHOLE:
        path = directory / f"stats/stats_{shard:05d}_0.json"
        found = collections.Counter(json.loads(path.read_text()))
        if shard != BROKEN:
            path = directory / "data" / shard_names("train-0", [shard])[0]
            labels = [str(x["label"][0]) for x in read(path)]
            assert found == collections.Counter(labels)
        counts += found
    assert final["cat_count"] == counts
    assert final["total_cnt"] == counts.total()
    pairs = [tuple(pair) for pair in final["cat_sorted_pairs"]]
    assert dict(pairs) == counts
    assert [n for _, n in pairs] == sorted(counts.values(), reverse=True)


def test_thresholds_are_known_after_the_first_phase(root):
    thresholds = json.loads((root / "first").read_text())
    second = root / "predict/filter_data/threshold.json"
    assert json.loads(second.read_text()) == thresholds
    pixels = [
        digit(number)[0]
        for shard in WHOLE
        if shard != BROKEN
        for number in SHARDS[shard]
    ]
    rows = predicted(root, "teacher", pixels)
    labels, top = rows.argmax(axis=1), rows.max(axis=1)
    assert thresholds.keys() == {str(label) for label in range(10)}
    for label, (threshold, above) in thresholds.items():
        edges = [i / 100 for i in range(30, 101)]
        counts = [(top[labels == int(label)] >= edge).sum() for edge in edges]
        enough = [i for i, count in enumerate(counts) if count >= 8]
        place = max(enough, default=0)
        assert [threshold, above] == [edges[place], counts[place]]


def test_our_own_flags_keep_the_same_records(root, tmp_path):
    images = (
        "--task_name=svhn_cropped",
        f"--label_data_dir={root}/proc",
        f"--unlabel_image_dir={root}/proc/unlabeled",
        f"--num_shards={NUM_SHARDS}",
    )
    main(
        "--mode=predict",
        *images,
        f"--predict_ckpt_path={root}/teacher.keras",
        f"--output_dir={tmp_path}/predictions",
    )
    filter_unlabel(
        *images,
        f"--prediction_dir={tmp_path}/predictions",
        f"--output_dir={tmp_path}/filtered",
        "--min_threshold=0.3",
        "--num_image=8",
    )
    ours = records(tmp_path / "filtered/data")
    assert records(root / "predict/filter_data/data") == ours
    assert names(tmp_path / "filtered/data") == shard_names("train", WHOLE)


@pytest.mark.slow
def test_workers_keep_the_same_records(root):
    """As many tasks as workers predicted, or one for all of them."""
    commands = Commands(root, "two_workers")
    for worker in (1, 0):
        commands.predict(*WHOLE, worker=worker, total_replicas=2)
    for phase in (1, 0):
        for task in (1, 0):
            commands.filter(phase, *WHOLE, task=task, total_replicas=2)
    one = {"total_label_replicas": 2, "output_dir": root / "one_task"}
    for phase in (1, 0):
        commands.filter(phase, *WHOLE, **one)
    whole = records(root / "predict/filter_data/data")
    assert records(root / "two_workers/filter_data/data") == whole
    assert records(root / "one_task/data") == whole
    for shard in WHOLE:
        commands.reassign(shard, worker=shard % 2, teacher="better")
    reassigned = root / "two_workers/reassign"
    assert not (reassigned / "stats.json").exists()
    for shard in WHOLE:
        commands.reassign(shard, worker=1 - shard % 2, teacher="better")
    assert (reassigned / "stats.json").exists()
    assert records(reassigned) == records(root / "predict/reassign")


def test_what_is_done_is_not_done_again(root):
    """What is lost is made again, with the same bytes."""
    predict_label = root / "predict/predict_label"
    data = root / "predict/filter_data/data"
    reassigned = root / "predict/reassign"
    lost = [
        predict_label / shard_names("train-info", [1], "-00000")[0],
        data / shard_names("train-0", [3])[0],
        reassigned / shard_names("train-0", [0])[0],
    ]
    whole = [path.read_bytes() for path in lost]
    kept = [*predict_label.iterdir(), *data.iterdir(), *reassigned.glob("tr*")]
    kept = {path: path.stat().st_mtime_ns for path in kept if path not in lost}
    # As a killed process leaves them: a temporary file, and no statistics.
    for path in lost:
        path.rename(path.with_name(f"tmp.0.{path.name}"))
    for directory in (data.parent, reassigned):
        (directory / "stats.json").unlink()
    commands = Commands(root)
    commands.predict(*WHOLE)
    commands.filter(0, *WHOLE)
    commands.reassign(*WHOLE, teacher="better")
    assert [path.read_bytes() for path in lost] == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert not list(root.glob("**/tmp.*"))


def test_reassigning_keeps_the_images_and_changes_the_labels(root):
    filtered = root / "predict/filter_data/data"
    reassigned = root / "predict/reassign"
    assert [path.name for path in sorted(reassigned.glob("train-*"))] == names(
        filtered
    )
    for path in sorted(filtered.iterdir()):
        before, after = list(read(path)), list(read(reassigned / path.name))
        images = [x["image/encoded"] for x in before]
        assert sorted(images) == sorted(x["image/encoded"] for x in after)
        pixels = [tf.io.decode_png(x["image/encoded"][0]) for x in after]
        rows = predicted(root, "better", pixels)
        np.testing.assert_allclose(
            [x["probabilities"] for x in after], rows, atol=1e-4
        )
        assert [x["label"] for x in after] == [[i] for i in rows.argmax(1)]
        tops = [[x["probabilities"][x["label"][0]]] for x in after]
        assert [x["prob"] for x in after] == tops


def test_records_that_the_original_filtered_are_labelled_again(root, tmp_path):
    data = original.without_notes(
        root / "predict/filter_data/data", tmp_path / "data"
    )
    Commands(root).reassign(
        *WHOLE,
        teacher="better",
        label_data_dir=data,
        output_dir=tmp_path / "out",
    )
    assert records(tmp_path / "out") == records(root / "predict/reassign")


def test_the_originals_predictions_are_filtered(root, tmp_path):
    """Their info files hold `image_num` alone."""
    shutil.copytree(root / "predict/info", tmp_path / "info")
    shutil.copytree(root / "predict/predict_label", tmp_path / "predict_label")
    for path in (tmp_path / "info").iterdir():
        number = json.loads(path.read_text())["image_num"]
        path.write_text(json.dumps({"image_num": number}))
    commands = Commands(root, "of_the_original")
    directories = {
        "info_dir": tmp_path / "info",
        "prediction_dir": tmp_path / "predict_label",
    }
    for phase in (1, 0):
        commands.filter(phase, *WHOLE, **directories)
    assert records(root / "of_the_original/filter_data/data") == records(
        root / "predict/filter_data/data"
    )


def test_only_the_first_shards_are_used(root, tmp_path):
    some = {"only_use_num_shards": 2, "output_dir": tmp_path / "two"}
    commands = Commands(root)
    for phase in (1, 0):
        commands.filter(phase, 0, 1, **some)
    assert names(tmp_path / "two/data") == shard_names("train-0", [0, 1])
    stats = json.loads((tmp_path / "two/stats.json").read_text())
    assert sum(stats["predicted"]) == len(SHARDS[0]) + len(SHARDS[1])
    with pytest.raises(ValueError, match="only_use_num_shards=2; got 2"):
        commands.filter(1, 2, **some)


@pytest.mark.parametrize("prefix", ["extra", "train"])
def test_the_parent_of_the_right_directory_is_refused(root, prefix):
    commands, wrong = Commands(root), root / "predict"
    if prefix == "extra":
        right, command = "proc/unlabeled", commands.predict
    else:
        right, command = "predict/filter_data/data", commands.reassign
    message = f"{wrong} .*; there are such files in {root / right}"
    with pytest.raises(ValueError, match=message):
        command(0, label_data_dir=wrong)
    with pytest.raises(
        ValueError, match=r"no directory .*missing of files extra"
    ):
        commands.filter(1, 0, input_dir=root / "missing")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"num_label_classes": 1000},
            "of 10 classes, and num_label_classes is",
        ),
        ({"label_data_dir": "/x"}, "both say which images these are"),
        ({"unlabel_split": "x"}, "both say which images to label"),
        ({"total_label_replicas": 3, "total_replicas": 2}, "a multiple of"),
        ({"prediction_dir": "/none", "info_dir": "/none"}, "are missing in"),
    ],
)
def test_filtering_refuses_what_does_not_fit(root, tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        Commands(root).filter(1, 0, **{"output_dir": tmp_path} | flags)


def test_reassigning_refuses_what_does_not_fit(root, tmp_path):
    reassign = Commands(root).reassign
    filtered = root / "predict/filter_data/data"
    for flags, message in (
        (
            {"num_shards": 8},
            f"is of {NUM_SHARDS} shards, not 8; set num_shards",
        ),
        ({"num_label_classes": 3}, "of 10 classes, and num_label_classes is 3"),
        ({"output_dir": filtered}, "output_dir and label_data_dir are both"),
        ({"file_prefix": "test"}, "has no filtered files test-"),
        (
            {"label_data_dir": root / "proc/unlabeled"},
            "no filtered files train",
        ),
        (
            {
                "label_data_dir": root / "proc/unlabeled",
                "file_prefix": "extra",
            },
            "its probabilities are missing or all zero",
        ),
    ):
        given = {"output_dir": tmp_path / "out"} | flags
        with pytest.raises(ValueError, match=message):
            reassign(0, **given)
    unfinished = tmp_path / "unfinished/data"
    shutil.copytree(filtered, unfinished)
    shutil.copy(filtered.parent / "made_from.json", unfinished.parent)
    with pytest.raises(ValueError, match="or filtering them did not finish"):
        reassign(0, label_data_dir=unfinished, output_dir=tmp_path / "out")


@pytest.mark.parametrize(
    "teacher", [pytest.param(True, marks=pytest.mark.slow), False]
)
def test_students_learn_from_raw_and_from_filtered_records(
    root, tmp_path, teacher, capsys
):
    filtered = root / "predict/filter_data/data"
    flags = [
        "--mode=train",
        "--model_name=efficientnet-b0",
        "--task_name=svhn",
        "--use_tpu=False",
        "--use_bfloat16=False",
        "--width_coefficient=0.1",
        "--depth_coefficient=0.1",
        "--input_image_size=8",
        "--train_batch_size=4",
        "--train_steps=2",
        "--unlabel_ratio=5",
        "--teacher_softmax_temp=1",
        f"--label_data_dir={root}/proc",
        f"--model_dir={tmp_path}/run",
    ]
    if teacher:
        flags += [
            f"--teacher_model_path={root}/teacher.keras",
            f"--unlabel_data_dir={root}/proc/unlabeled",
        ]
    else:
        data = original.without_notes(filtered, tmp_path / "data")
        flags += [f"--unlabel_data_dir={data}"]
    main(*flags)
    metrics = json.loads(capsys.readouterr().out.strip().split("\n")[-1])
    assert metrics["step"] == 2 and (tmp_path / "run/model.keras").is_file()


def test_raw_records_without_a_teacher_are_refused(root, tmp_path):
    with pytest.raises(ValueError, match=r"all zero\. Set teacher_model_path"):
        main(
            "--mode=train",
            "--task_name=svhn",
            "--unlabel_ratio=5",
            f"--label_data_dir={root}/proc",
            f"--unlabel_data_dir={root}/proc/unlabeled",
            f"--model_dir={tmp_path}/run",
        )
    assert not (tmp_path / "run").exists()


def test_records_are_opened_however_they_lie(root, tmp_path):
    """The output of filtering, its `data/`, and records labelled again."""
    filtered = root / "predict/filter_data"
    stats = json.loads((filtered / "stats.json").read_text())
    paths = [filtered, filtered / "data", root / "predict/reassign"]
    paths.append(
        original.without_notes(filtered / "data", tmp_path / "alone/data")
    )
    for path in paths:
        source = pseudo_labels.open_records(path, 10, need_labels=True)
        assert isinstance(source, pseudo_labeled.PseudoLabeledSource)
        assert source.num_images == stats["records"]
        assert len(source.record_paths) == NUM_SHARDS - 1
        with pytest.raises(ValueError, match=r"of 10 classes, .* 1000;"):
            pseudo_labels.open_records(path, 1000, need_labels=True)
