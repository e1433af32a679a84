"""Making TFRecords: what is in them, and what survives an interruption."""

import dataclasses
import io
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from noisy_student import make_records
from noisy_student.config import DataConfig
from noisy_student.config.tools import MakeSettings
from noisy_student.data.open import open_task
from noisy_student.errors import InputError
from noisy_student.make_records import images, shards
from tests.data.directories import (
    encode,
    encoded_of,
    exif_of,
    huge_png,
    labels_of,
    photo,
    write_folders,
)

FOLDERS = {
    "train/ant": 9,
    "train/bee": 9,
    "test/ant": 2,
    "test/bee": 3,
    "unlabelled/x": 7,
}


@pytest.fixture
def photos(tmp_path):
    return tmp_path / "photos", write_folders(tmp_path / "photos", FOLDERS)


def make(root, output, **settings):
    values = {"num_shards": 3, "input_dir": str(root), "num_workers": 1}
    settings = MakeSettings(output_dir=str(output), **(values | settings))
    stage = make_records.MakeRecords(settings)
    stage.validate()
    stage.run()


def open_records(path, name="insects"):
    config = DataConfig(name, label_data_dir=str(path))
    return open_task(config, seed=0)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_jpegs_are_copied_byte_for_byte(tmp_path, photos):
    root, written = photos
    make(root, tmp_path / "out")
    data, direct = open_records(tmp_path / "out"), open_records(root)
    for part in ("labeled", "test"):
        ours, truth = getattr(data, part), getattr(direct, part)
        assert sorted(zip(encoded_of(ours), labels_of(ours), strict=True)) == (
            sorted(zip(encoded_of(truth), labels_of(truth), strict=True))
        )
    assert encoded_of(data.unlabeled) == list(written.values())[-7:]
    assert labels_of(data.unlabeled) == [-1] * 7
    assert data.class_names == ("ant", "bee")


def test_every_file_has_all_classes(tmp_path, photos):
    make(photos[0], tmp_path / "out")
    source = open_records(tmp_path / "out").labeled
    for shard in range(3):
        assert set(labels_of(source.shard(shard, 3))) == {0, 1}
    make(photos[0], tmp_path / "other", seed=1)
    other = open_records(tmp_path / "other").labeled
    assert encoded_of(other) != encoded_of(source)


def test_the_records_say_where_they_come_from(tmp_path, photos):
    make(photos[0], tmp_path / "out")
    (path,) = (tmp_path / "out").glob("test-00000-of-*")
    example = next(iter(tf.data.TFRecordDataset(str(path)))).numpy()
    feature = tf.train.Example.FromString(example).features.feature
    name = feature["image/filename"].bytes_list.value[0].decode()
    encoded = (photos[0] / name).read_bytes()
    assert feature["image/encoded"].bytes_list.value == [encoded]
    label = {"ant": 1, "bee": 2}[pathlib.Path(name).parent.name]
    assert feature["image/class/label"].int64_list.value == [label]


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "P"),
        ("PNG", "RGBA"),
        ("BMP", "RGB"),
        ("GIF", "P"),
    ],
)
def test_other_formats_become_jpegs_like_them(kind, mode):
    image = photo(0, (60, 40)).convert(mode)
    encoded = shards.as_jpeg(encode(image, kind))
    truth = np.asarray(image.convert("RGB"), float)
    ours = np.asarray(Image.open(io.BytesIO(encoded)))
    assert encoded[:3] == b"\xff\xd8\xff"
    assert np.abs(ours - truth).max() <= 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_rotated_images_stand_upright(kind):
    image = encode(photo(0, (60, 40)), kind, exif=exif_of(6))
    encoded = shards.as_jpeg(image)
    assert Image.open(io.BytesIO(encoded)).size == (40, 60)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_large_images_may_be_made_smaller(kind):
    image = encode(photo(0, (300, 200)), kind)
    for max_side, size in ((None, (300, 200)), (60, (60, 40))):
        encoded = shards.as_jpeg(image, max_side)
        made = Image.open(io.BytesIO(encoded))
        assert made.format == "JPEG" and made.size == size


def test_records_of_another_size_are_refused(tmp_path, photos):
    root, _ = photos
    make(root, tmp_path / "out", max_side=20)
    read = open_records(tmp_path / "out").labeled.read()
    sizes = [
        max(tf.io.decode_jpeg(example["encoded"]).shape) for example in read
    ]
    assert set(sizes) == {20}
    with pytest.raises(ValueError, match="max_side='20' there and None here"):
        make(root, tmp_path / "out")


def test_unreadable_files_are_listed_and_left_out(tmp_path, photos):
    root, _ = photos
    path = root / "train/ant/003.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    (root / "train/ant/004.jpg").write_bytes(encode(photo(1), "PPM"))
    (root / "train/bee/001.jpg").write_bytes(b"")
    make(root, tmp_path / "out", num_workers=2)
    assert open_records(tmp_path / "out").labeled.num_images == 15
    lines = (tmp_path / "out/unreadable.txt").read_text().split("\n")
    found = dict(line.split("\t") for line in lines if line)
    assert found.keys() == {
        "train/ant/003.jpg",
        "train/ant/004.jpg",
        "train/bee/001.jpg",
    }
    assert "truncated" in found["train/ant/003.jpg"].lower()
    assert found["train/ant/004.jpg"].startswith("is PPM, and none of JPEG")


def test_unreadable_files_have_a_reason(tmp_path, photos):
    root, _ = photos
    (root / "train/ant/003.jpg").write_bytes(huge_png())
    (root / "train/bee/001.jpg").write_bytes(b"text")
    make(root, tmp_path / "out")
    lines = (tmp_path / "out/unreadable.txt").read_text().splitlines()
    assert sorted(lines) == [
        "train/ant/003.jpg\thas more than 178,956,970 pixels",
        "train/bee/001.jpg\tis no image",
    ]


def test_parts_of_splits_have_names_of_their_own(tmp_path, photos):
    root, out = photos[0], tmp_path / "out"
    expressions = ("train[:12]", "validation=train[12:]+test[50%:]", "test")
    make(root, out, splits=expressions)
    data = open_records(out)
    config = DataConfig("insects", label_data_dir=str(out))
    config = dataclasses.replace(config, test_split="validation")
    validation = open_task(config, seed=0).test
    direct = {
        flag: DataConfig(
            "insects", label_data_dir=str(root), label_split=expression
        )
        for flag, expression in (
            ("train", "train[:12]"),
            ("validation", "train[12:]+test[50%:]"),
            ("test", "test"),
        )
    }
    for flag, source in (
        ("train", data.labeled),
        ("validation", validation),
        ("test", data.test),
    ):
        truth = open_task(direct[flag], seed=0).labeled
        ours = zip(encoded_of(source), labels_of(source), strict=True)
        theirs = zip(encoded_of(truth), labels_of(truth), strict=True)
        assert sorted(ours) == sorted(theirs)
    assert data.labeled.num_images == 12 and validation.num_images == 9
    with pytest.raises(ValueError, match="images of train"):
        make(root, out, splits=("train[:13]", *expressions[1:]))


def test_a_file_that_cannot_be_opened_is_left_out(tmp_path, photos):
    root = photos[0]
    paths = np.array([root / "train/ant/000.jpg", root / "gone.jpg"], object)
    files = images.FileImages(str(root), paths, np.array([0, 1]))
    shard = shards.Shard(tmp_path / "train-00000-of-00001", files, 2)
    number, _, unreadable = shards.make_shard(shard)
    assert number == 1
    assert unreadable == [("gone.jpg", "No such file or directory")]


def test_counts_are_true(tmp_path, photos, capsys):
    make(photos[0], tmp_path / "out")
    counts = json.loads((tmp_path / "out/counts.json").read_text())
    for name, (number, size) in counts.items():
        path = tmp_path / "out" / name
        assert path.stat().st_size == size
        assert len(list(tf.data.TFRecordDataset(str(path)))) == number
    assert len(counts) == 9
    capsys.readouterr()
    open_records(tmp_path / "out")
    assert "count records" not in capsys.readouterr().err


def test_finished_shards_are_not_made_again(tmp_path, photos, monkeypatch):
    out = tmp_path / "out"
    make(photos[0], out)
    before = contents(out)
    made = []
    original = shards.make_shard
    monkeypatch.setattr(
        shards, "make_shard", lambda s: made.append(s.path.name) or original(s)
    )
    make(photos[0], out)
    assert made == [] and contents(out) == before
    (out / "train-00001-of-00003").unlink()
    half = (out / "test-00002-of-00003").read_bytes()
    (out / "test-00002-of-00003").write_bytes(half[: len(half) // 2])
    (out / "tmp.0f.train-00001-of-00003").write_bytes(b"half")
    make(photos[0], out)
    assert made == ["test-00002-of-00003", "train-00001-of-00003"]
    assert contents(out) == before


def test_other_settings_or_images_are_refused(tmp_path, photos):
    root, out = photos[0], tmp_path / "out"
    make(root, out)
    before = contents(out)
    for settings in ({"num_shards": 2}, {"seed": 1}, {"splits": ("train",)}):
        with pytest.raises(ValueError, match="made of something else"):
            make(root, out, **settings)
    (root / "train/ant/000.jpg").rename(root / "train/bee/new.jpg")
    with pytest.raises(ValueError, match="images of train"):
        make(root, out)
    assert contents(out) == before
    (out / shards.STATE_FILE).unlink()
    with pytest.raises(
        ValueError, match=r"TFRecords and no make_records\.json"
    ):
        make(root, out)


def test_a_heap_of_images_is_unlabelled(tmp_path):
    heap = write_folders(tmp_path / "heap", {"a": 2, "b/c": 3})
    make(tmp_path / "heap", tmp_path / "out", num_shards=2)
    config = DataConfig("digits", unlabel_image_dir=str(tmp_path / "out"))
    source = open_task(config, seed=0).unlabeled
    assert encoded_of(source) == list(heap.values())
    assert not (tmp_path / "out/classes.txt").exists()


@pytest.mark.parametrize(
    ("folders", "settings", "message"),
    [
        (
            FOLDERS,
            {"splits": ("dev",)},
            "'dev' is no split of .* test, train, unlabelled",
        ),
        (FOLDERS, {"splits": ("train[:99]",)}, "incompatible with 18 examp"),
        (
            FOLDERS,
            {"splits": ("a=train[2:2]",)},
            r"'train.2:2.' of .* is em",
        ),
        (
            FOLDERS,
            {"splits": ("train+test",)},
            "digits, _ and -; got 'train.t",
        ),
        (
            FOLDERS,
            {"splits": ("train[:9]", "train[9:]")},
            r"train is there twice.*validation=train\[90%:\]",
        ),
        (FOLDERS, {"task_name": "x"}, "One of input_dir and task_name"),
        (FOLDERS, {"num_workers": 0}, "num_workers must be above 0; got 0"),
        (FOLDERS | {"test/cow": 1}, {}, "cow are not"),
        (FOLDERS | {"my split/a": 1, "my split/ant": 1}, {}, "a are not"),
        (FOLDERS | {"my split/ant": 1}, {}, "letters, digits, _ and -; got"),
        ({"train/a": 0}, {}, "no images in .*train/CLASS; their names"),
        ({".": 0}, {}, "no images in"),
        ({"train": 2}, {}, "train in .* must lie in class folders"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, folders, settings, message):
    write_folders(tmp_path / "photos", folders)
    with pytest.raises(ValueError, match=message):
        make(tmp_path / "photos", tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_digits_need_no_records(tmp_path):
    with pytest.raises(ValueError, match="digits come with scikit-learn and"):
        make(None, tmp_path / "out", input_dir=None, task_name="digits")
    assert not (tmp_path / "out").exists()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="input_dir: there is no directory"):
        make(tmp_path / "none", tmp_path / "out")


@pytest.mark.slow
def test_an_error_of_a_worker_arrives(tmp_path, photos):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/test-00001-of-00003").mkdir()
    with pytest.raises(InputError, match="test-00001-of-00003 cannot be wr"):
        make(photos[0], tmp_path / "out", num_workers=2)
