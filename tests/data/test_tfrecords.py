"""TFRecord directories: order, splits, shards, labels, broken files."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import DataConfig
from noisy_student.data import (
    decoding,
    pipelines,
    plain,
    records,
    tfrecords,
)
from noisy_student.data.open import open_task
from noisy_student.errors import InputError
from noisy_student.files import shards
from tests.data.directories import (
    encoded_of,
    huge_png,
    labels_of,
    read_all,
    write_records,
    write_shard,
)
from tests.data.images import LARGE, PLAIN


def open_records(path, task_name="counted", seed=0, **settings):
    config = DataConfig(task_name, label_data_dir=str(path), **settings)
    return open_task(config, seed)


@pytest.fixture
def written(tmp_path):
    """The images of each split."""
    (tmp_path / "classes.txt").write_text("ant\nbee\ncow\n")
    return {
        "train": write_records(tmp_path, "train", [40, 0, 33, 7]),
        "validation": write_records(tmp_path, "validation", [5, 6]),
    }


def test_records_become_a_task(tmp_path, written):
    data = open_records(tmp_path)
    assert encoded_of(data.labeled) == written["train"]
    assert labels_of(data.labeled) == [i % 3 for i in range(80)]
    assert encoded_of(data.test) == written["validation"]
    index = [example["index"] for example in read_all(data.labeled)]
    assert index == list(range(80))
    assert data.class_names == ("ant", "bee", "cow")
    assert data.task.num_classes == 3
    assert data.task.small_images and data.task.image_size == 20
    assert data.unlabeled is None


def test_labels_are_1_based_in_the_files(tmp_path, written):
    path = str(tmp_path / "train-00000-of-00004")
    example = next(iter(tf.data.TFRecordDataset(path))).numpy()
    feature = tf.train.Example.FromString(example).features.feature
    assert feature["image/class/label"].int64_list.value == [1]
    assert set(feature) == {
        "image/encoded",
        "image/class/label",
        "image/filename",
    }


@pytest.mark.parametrize(
    ("expression", "truth"),
    [
        ("train", lambda t, v: t),
        ("train[:45]", lambda t, v: t[:45]),
        ("train[40:]", lambda t, v: t[40:]),
        ("train[-9:]", lambda t, v: t[-9:]),
        ("train[10%:]", lambda t, v: t[8:]),
        ("train[1shard:3shard]", lambda t, v: t[40:73]),
        ("all", lambda t, v: t + v),
        ("train[39:74]+validation", lambda t, v: t[39:74] + v),
        (
            "train[:5]+validation[4:6]+train[7:9]",
            lambda t, v: t[:5] + v[4:6] + t[7:9],
        ),
    ],
)
def test_splits_by_expression(tmp_path, written, expression, truth):
    source = open_records(tmp_path, label_split=expression).labeled
    expected = truth(written["train"], written["validation"])
    assert encoded_of(source) == expected
    index = [example["index"] for example in read_all(source)]
    assert index == list(range(len(expected)))


def test_shards_read_their_own_files(tmp_path, written):
    data = open_records(tmp_path)
    for shard in range(4):
        part = data.labeled.shard(shard, 4)
        path = str(tmp_path / f"train-{shard:05d}-of-00004")
        assert part.record_paths == (path,)
    odd = data.labeled.shard(1, 2)
    assert encoded_of(odd) == written["train"][73:]
    assert [e["index"] for e in read_all(odd)] == list(range(7))
    for other in pathlib.Path(tmp_path).glob("train-0000[02]*"):
        other.unlink()
    assert odd.num_images == len(read_all(odd))


def test_other_numbers_of_shards_take_images_in_turn(tmp_path, written):
    source = open_records(tmp_path).labeled
    for shard in range(3):
        part = source.shard(shard, 3)
        assert encoded_of(part) == written["train"][shard::3]


def test_num_labeled_leaves_the_rest(tmp_path, written):
    data = open_records(tmp_path, num_labeled=30)
    assert np.bincount(labels_of(data.labeled)).tolist() == [10] * 3
    both = encoded_of(data.labeled) + encoded_of(data.unlabeled)
    assert sorted(both) == sorted(written["train"])


def test_unlabelled_records_need_no_labels(tmp_path, written):
    (tmp_path / "more").mkdir()
    for shard in range(2):
        name = shards.shard_name("train", shard, 2)
        write_shard(tmp_path / "more" / name, [(b"image", -1), (b"other", 7)])
    more = str(tmp_path / "more")
    data = open_records(tmp_path, unlabel_image_dir=more)
    assert labels_of(data.unlabeled) == [-1, 7] * 2  # the only prefix
    write_shard(tmp_path / "more/extra-00000-of-00001", [(b"image", -1)])
    with pytest.raises(ValueError, match=r"unlabel_split must be set.*extra"):
        open_records(tmp_path, unlabel_image_dir=more)
    data = open_records(tmp_path, unlabel_image_dir=more, unlabel_split="extra")
    assert encoded_of(data.unlabeled) == [b"image"]


def test_extra_is_the_unlabelled_split(tmp_path, written):
    extra = write_records(tmp_path, "extra", [3])
    assert encoded_of(open_records(tmp_path).unlabeled) == extra


def test_files_of_more_classes_are_refused_at_once(tmp_path, written):
    """The first record of each file is looked at, also where one is empty."""
    path = tmp_path / "train-00002-of-00004"
    write_shard(path, [(b"a", 5), (b"b", 1)])
    message = f"^record 0 of {path} has no label from 1 to 3 but 6 "
    with pytest.raises(InputError, match=message):
        open_records(tmp_path)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_beyond_the_classes_is_named(tmp_path, written, label):
    path = tmp_path / "train-00001-of-00004"
    write_shard(path, [(b"a", 2), (b"b", label)])
    data = open_records(tmp_path)
    message = f"^record 1 of {path} has no label from 1 to 3 but {label + 1} "
    with pytest.raises(InputError, match=message), decoding.input_errors():
        list(data.labeled.read())
    with pytest.raises(InputError, match=message):
        open_records(tmp_path, num_labeled=3)


def test_a_broken_image_is_named_by_its_record(tmp_path, written):
    write_shard(tmp_path / "train-00001-of-00004", [(b"broken", 0)])
    source = open_records(tmp_path, label_split="train[10:]").labeled
    message = f"^record 0 of {tmp_path}/train-00001-of-00004 cannot be"
    with pytest.raises(InputError, match=message), decoding.input_errors():
        list(plain.plain_images(source, LARGE, 4))


@pytest.mark.parametrize(
    "cut",
    [
        lambda source: source.shard(2, 3).shard(1, 2),
        lambda source: source.subset(np.arange(80) >= 45),
        lambda source: source.shard(1, 2).shard(5, 11),
    ],
)
def test_parts_of_files_name_their_images(tmp_path, written, cut):
    part = cut(open_records(tmp_path).labeled)
    for example in read_all(part):
        name = example["record"].decode()
        number, path = name.removeprefix("record ").split(" of ")
        assert path.startswith(f"{tmp_path}/train-")
        record = list(tf.data.TFRecordDataset(path))[int(number)]
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        encoded = feature["image/encoded"].bytes_list.value
        assert encoded == [example["encoded"]]


def test_an_image_of_too_many_pixels_is_named(tmp_path, written):
    path = tmp_path / "train-00001-of-00004"
    write_shard(path, [(written["train"][0], 0), (huge_png(), 1)])
    message = f"^record 1 of {path} has more than 178,956,970 pixels, or a "
    with pytest.raises(InputError, match=message):
        open_records(tmp_path)


def test_records_of_something_else_are_refused(tmp_path, written):
    path = tmp_path / "train-00000-of-00004"
    with shards.shard_writer(path) as writer:
        writer.write(records.encode_prediction(np.ones(3)))
    with pytest.raises(InputError, match="must hold images with image/encoded"):
        open_records(tmp_path)


def test_a_file_that_is_cut_off_gives_its_whole_records(tmp_path, written):
    path = tmp_path / "train-00002-of-00004"
    path.write_bytes(path.read_bytes()[:-5])
    truth = written["train"][:72] + written["train"][73:]
    assert encoded_of(open_records(tmp_path).labeled) == truth


def test_damage_is_found_while_reading(tmp_path, written):
    path = tmp_path / "train-00002-of-00004"
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    message = rf"^{path} is damaged in the record that starts at byte \d+;"
    with pytest.raises(InputError, match=message):
        open_records(tmp_path, num_labeled=3)
    source = open_records(tmp_path).labeled
    batches = plain.plain_images(source, LARGE, 16)
    with (
        pytest.raises(InputError, match=message),
        decoding.input_errors(source.record_paths),
    ):
        list(batches)


def test_damaged_unlabelled_records_are_named_in_training(tmp_path, written):
    write_records(tmp_path, "extra", [9])
    path = tmp_path / "extra-00000-of-00001"
    damaged = bytearray(path.read_bytes())
    damaged[-20] ^= 1
    path.write_bytes(damaged)
    data = open_records(tmp_path)
    assert str(path) in data.record_paths
    spec = pipelines.BatchSpec(LARGE, PLAIN, 4, seed=0)
    batches = pipelines.training_batches(
        data.labeled, data.unlabeled, spec, 4, ["image", "unlabeled_image"]
    )
    message = rf"^{path} is damaged in the record that starts at byte \d+;"
    with (
        pytest.raises(InputError, match=message),
        decoding.input_errors(data.record_paths),
    ):
        list(batches.take(3))


def test_counts_json_spares_the_scan(tmp_path, written, capsys):
    counts = {
        path.name: [count, path.stat().st_size]
        for path, count in zip(
            sorted(tmp_path.glob("train-*")), [40, 0, 33, 7], strict=True
        )
    }
    (tmp_path / "counts.json").write_text(json.dumps(counts))
    data = open_records(tmp_path, test_split="train[:9]")
    assert data.labeled.num_images == 80
    assert "count records" not in capsys.readouterr().err


def test_classes_are_the_files_the_flags_or_a_known_tasks(tmp_path, written):
    with pytest.raises(ValueError, match=r"left out or 3, .* got 4"):
        open_records(tmp_path, num_label_classes=4)
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(ValueError, match=r"num_label_classes must be set"):
        open_records(tmp_path)
    data = open_records(tmp_path, num_label_classes=4)
    assert data.task.num_classes == 4 and data.class_names is None
    assert open_records(tmp_path, "cifar10").task.num_classes == 10
    with pytest.raises(ValueError, match="2 classes or more"):
        open_records(tmp_path, num_label_classes=1)


def test_directories_of_both_kinds_do_not_mix(tmp_path, written):
    (tmp_path / "folder/train/a").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"one kind, .*make_records"):
        open_records(f"{tmp_path};{tmp_path}/folder")


def test_classes_files_must_agree(tmp_path, written):
    for name, text in (("a", "x\ny\n"), ("b", "y\nx\n")):
        (tmp_path / name).mkdir()
        for split in ("train", "test"):
            write_records(tmp_path / name, split, [2])
        (tmp_path / name / "classes.txt").write_text(text)
    with pytest.raises(ValueError, match="must be the same in all"):
        open_records(f"{tmp_path}/a;{tmp_path}/b")


def test_flags_that_do_not_go_together():
    for settings, message in (
        ({"label_data_dir": "x"}, "does not go with task_name=digits"),
        ({"num_label_classes": 3}, "num_label_classes=3 is for images of"),
    ):
        with pytest.raises(ValueError, match=message):
            open_task(DataConfig("digits", **settings), seed=0)
    with pytest.raises(ValueError, match="do not go together"):
        DataConfig("x", label_data_dir="a", tfds_data_dir="b")


@pytest.mark.parametrize(
    ("counts", "shared"), [((4, 4), "files"), ((6, 2), "images")]
)
def test_workers_train_on_parts_of_one_size(tmp_path, counts, shared):
    """Whole files only where these are as large as one another."""
    written = write_records(tmp_path, "train", counts)
    paths = [str(path) for path in sorted(tmp_path.glob("train-*"))]
    source = tfrecords.from_files(paths, "a test")
    parts = [encoded_of(source.worker_part(worker, 2)) for worker in (0, 1)]
    if shared == "files":
        assert parts == [written[:4], written[4:]]
    else:
        assert parts == [written[::2], written[1::2]]
    strides = [encoded_of(source.stride(worker, 3)) for worker in range(3)]
    assert strides == [written[0::3], written[1::3], written[2::3]]
