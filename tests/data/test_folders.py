"""Folders of images: which files, in which order, with which bytes."""

import os

import numpy as np
import pytest

from noisy_student.config import DataConfig
from noisy_student.data import (
    decoding,
    plain,
    views,
)
from noisy_student.data.open import open_task
from noisy_student.errors import InputError
from tests.data.directories import (
    encode,
    encoded_of,
    huge_jpeg,
    huge_png,
    labels_of,
    photo,
    read_all,
    write_folders,
)

FOLDERS = {"train/ant": 3, "train/bee": 4, "test/ant": 2, "test/bee": 1}


def open_folder(path, seed=0, **settings):
    config = DataConfig("insects", label_data_dir=str(path), **settings)
    return open_task(config, seed)


def test_folders_become_a_task(tmp_path):
    written = write_folders(tmp_path, FOLDERS | {"unlabelled/deep": 5})
    data = open_folder(tmp_path)
    truth = list(written.values())
    assert encoded_of(data.labeled) == truth[:7]
    assert labels_of(data.labeled) == [0] * 3 + [1] * 4
    assert encoded_of(data.test) == truth[7:10]
    assert labels_of(data.test) == [0, 0, 1]
    assert encoded_of(data.unlabeled) == truth[10:]
    assert labels_of(data.unlabeled) == [-1] * 5
    assert [e["index"] for e in read_all(data.labeled)] == list(range(7))
    assert data.task.num_classes == 2 and not data.task.small_images
    assert data.class_names == ("ant", "bee")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF"])
def test_every_format_is_found_and_handed_on(tmp_path, kind):
    write_folders(tmp_path, FOLDERS)
    path = tmp_path / "train/ant" / f"zebra.{kind}"
    path.write_bytes(encode(photo(3), kind))
    data = open_folder(tmp_path)
    assert encoded_of(data.labeled)[3] == path.read_bytes()
    image_format = views.ImageFormat(side=24, small=False, horizontal_flip=True)
    (batch,) = plain.plain_images(data.labeled, image_format, 8)
    assert batch["weight"].numpy().all()


def test_files_that_are_no_images_are_one_warning(tmp_path, warnings):
    write_folders(tmp_path, FOLDERS)
    for name in ("a.txt", "b.csv", "c.svg", "d", ".DS_Store", ".x.jpg"):
        (tmp_path / "train/ant" / name).touch()
    (tmp_path / "train/loose.jpg").touch()
    assert open_folder(tmp_path).labeled.num_images == 7
    line, other = warnings
    assert line.startswith(f"4 files in {tmp_path} train are no images")
    assert "a.txt" in line and line.endswith("...")
    assert "must lie in class folders, train/CLASS/*.jpg; 1 lie" in other
    assert f"ignored: {tmp_path}/train/loose.jpg" in other


def test_empty_class_folders_are_named(tmp_path, warnings):
    write_folders(tmp_path, FOLDERS)
    (tmp_path / "train/cat").mkdir()
    data = open_folder(tmp_path)
    assert data.class_names == ("ant", "bee", "cat")
    assert str(tmp_path / "train/cat") in warnings[0]


def test_several_directories_are_one(tmp_path):
    first = write_folders(tmp_path / "a", {"train/bee": 2, "test/bee": 1})
    second = write_folders(tmp_path / "b", {"train/ant": 2, "test/ant": 1})
    data = open_folder(f"{tmp_path / 'a'};{tmp_path / 'b'}")
    a, b = list(first.values()), list(second.values())
    assert encoded_of(data.labeled) == a[:2] + b[:2]
    assert labels_of(data.labeled) == [1, 1, 0, 0]
    assert encoded_of(data.test) == a[2:] + b[2:]


def test_num_labeled_divides_without_loss(tmp_path):
    written = write_folders(tmp_path, FOLDERS | {"train/ant": 6})
    data = open_folder(tmp_path, num_labeled=4, seed=1)
    assert sorted(labels_of(data.labeled)) == [0, 0, 1, 1]
    assert data.unlabeled.num_images == 6
    parts = encoded_of(data.labeled) + encoded_of(data.unlabeled)
    assert sorted(parts) == sorted(list(written.values())[:10])
    index = [example["index"] for example in read_all(data.unlabeled)]
    assert index == sorted(index)  # of the whole, in its order


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shards_list_their_own_files(tmp_path, count):
    write_folders(tmp_path, FOLDERS)
    source = open_folder(tmp_path).labeled
    whole = read_all(source)
    for shard in range(count):
        assert read_all(source.shard(shard, count)) == whole[shard::count]


def test_unlabelled_images_may_be_elsewhere(tmp_path):
    write_folders(tmp_path / "a", FOLDERS)
    heap = write_folders(tmp_path / "heap", {"x/y": 2, ".": 1, ".hidden": 1})
    data = open_folder(tmp_path / "a", unlabel_image_dir=str(tmp_path / "heap"))
    truth = [v for k, v in heap.items() if ".hidden" not in k]
    assert sorted(encoded_of(data.unlabeled)) == sorted(truth)
    assert labels_of(data.unlabeled) == [-1] * 3


def test_unlabelled_images_join_any_task(tmp_path):
    heap = write_folders(tmp_path, {"x": 2})
    config = DataConfig("digits", unlabel_image_dir=str(tmp_path))
    data = open_task(config, seed=0)
    assert encoded_of(data.unlabeled) == list(heap.values())
    assert data.labeled.num_images == 50
    other = open_task(DataConfig("digits"), seed=0)
    assert data.identity != other.identity


@pytest.mark.parametrize(("side", "small"), [(20, True), (65, False)])
def test_images_of_one_small_size_are_small(tmp_path, side, small):
    write_folders(tmp_path, FOLDERS, (side, side))
    task = open_folder(tmp_path).task
    assert task.small_images == small
    assert task.image_size == (side if small else None)


def test_images_of_several_sizes_are_not_small(tmp_path):
    write_folders(tmp_path, FOLDERS, (20, 20))
    (tmp_path / "train/bee/003.jpg").write_bytes(encode(photo(0, (21, 21))))
    assert not open_folder(tmp_path).task.small_images


def test_known_tasks_lend_their_facts(tmp_path):
    write_folders(tmp_path, FOLDERS)
    config = DataConfig("svhn_cropped", label_data_dir=str(tmp_path))
    task = open_task(config, seed=0).task
    assert task.num_classes == 2 and task.mean[0] == 0.4376821
    assert not task.horizontal_flip and task.image_size == 32


def test_directories_are_told_apart(tmp_path, monkeypatch):
    for name in "ab":
        write_folders(tmp_path / name, FOLDERS)
    a, b = (open_folder(tmp_path / name).identity for name in "ab")
    assert a != b
    monkeypatch.chdir(tmp_path / "a")
    assert open_folder("../a/.").identity == a


def test_a_broken_image_is_named_by_its_path(tmp_path):
    write_folders(tmp_path, FOLDERS)
    path = tmp_path / "train/bee/002.jpg"
    path.write_bytes(path.read_bytes()[:300])
    image_format = views.ImageFormat(side=24, small=False, horizontal_flip=True)
    source = open_folder(tmp_path).labeled
    for part in (source, source.subset(np.arange(7) > 2)):
        with (
            pytest.raises(InputError, match=f"^{path} cannot be decoded"),
            decoding.input_errors(),
        ):
            list(plain.plain_images(part, image_format, 4))


def test_a_file_that_vanished_is_named(tmp_path):
    write_folders(tmp_path, FOLDERS)
    source = open_folder(tmp_path).labeled
    path = tmp_path / "train/bee/002.jpg"
    path.unlink()
    with (
        pytest.raises(InputError, match=f"^{path}; No such file"),
        decoding.input_errors(),
    ):
        read_all(source)


def test_names_of_any_encoding(tmp_path):
    write_folders(tmp_path, FOLDERS)
    name = os.fsencode(tmp_path) + b"/train/ant/\xff\xe9 [1].jpg"
    with open(name, "wb") as file:
        file.write(encode(photo(11)))
    assert encode(photo(11)) in encoded_of(open_folder(tmp_path).labeled)


@pytest.mark.parametrize(
    ("folders", "settings", "message"),
    [
        ({".": 0}, {}, "it has neither"),
        ({"cats": 1}, {}, "'train' is no split of .* which has cats"),
        ({"train/a": 0, "train/b": 0}, {}, "'train' of .* is empty"),
        (
            {"train": 2, "test": 1},
            {},
            r"train in .* must lie in class folders, train/CLASS/\*.jpg; 2 ",
        ),
        (FOLDERS | {"test/ant": 0, "test/bee": 0, "test": 1}, {}, "class fol"),
        ({"train/a": 2, "test/a": 1}, {}, "2 classes or more; .* has 1, a"),
        ({"train/a": 1, "train/b": 1}, {}, "test_fraction=0.2 of the 2 lab"),
        (FOLDERS | {"test/cow": 1}, {}, "labelled images; cow are not"),
        (FOLDERS, {"test_split": "dev"}, "'dev' is no split .* test, train"),
        (FOLDERS, {"label_split": "train[:99]"}, "incompatible with 7 exam"),
        (FOLDERS, {"label_split": "train[2:2]"}, "is empty"),
        (FOLDERS, {"label_split": "train[::2]"}, "Unrecognized split"),
        (FOLDERS, {"num_labeled": 100}, "=100 is more than the 7 images of"),
        (FOLDERS, {"num_label_classes": 3}, "left out or 2, .* got 3"),
        (FOLDERS, {"unlabel_split": "extra"}, "unlabel_split='extra' is no"),
        (FOLDERS, {"unlabel_image_dir": "/none"}, "no directory /none"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, folders, settings, message):
    write_folders(tmp_path, folders)
    with pytest.raises(ValueError, match=message):
        open_folder(tmp_path, **settings)


def test_an_empty_heap_is_refused(tmp_path):
    (tmp_path / "heap").mkdir()
    heap = str(tmp_path / "heap")
    config = DataConfig("digits", unlabel_image_dir=heap)
    with pytest.raises(ValueError, match="is empty"):
        open_task(config, seed=0)


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(ValueError, match="label_data_dir: there is no dir"):
        open_folder(tmp_path / "none")


@pytest.mark.parametrize("joined", ["{};", ";{}", "{};;{}", "{}; ", ""])
def test_an_empty_name_of_a_directory_is_refused(tmp_path, joined):
    write_folders(tmp_path, FOLDERS)
    directories = joined.replace("{}", str(tmp_path))
    message = "label_data_dir=.* must name a directory before and after each"
    with pytest.raises(ValueError, match=message):
        open_folder(directories)
    message = "unlabel_image_dir=.* must name a directory before and after"
    with pytest.raises(ValueError, match=message):
        open_folder(tmp_path, unlabel_image_dir=directories)


@pytest.mark.parametrize("make", [huge_png, huge_jpeg])
def test_an_image_of_too_many_pixels_is_named(tmp_path, make):
    write_folders(tmp_path, FOLDERS)
    path = tmp_path / "train/bee/002.jpg"
    path.write_bytes(make())
    message = f"^{path} has more than 178,956,970 pixels, .* remove it.$"
    with pytest.raises(InputError, match=message):
        open_folder(tmp_path)
    # Of a known task no headers are read.
    config = DataConfig("svhn_cropped", label_data_dir=str(tmp_path))
    source = open_task(config, seed=0).labeled
    image_format = views.ImageFormat(side=24, small=False, horizontal_flip=True)
    message = f"^{path} cannot be decoded.*more than 178,956,970 pixels.*data.$"
    with pytest.raises(InputError, match=message), decoding.input_errors():
        list(plain.plain_images(source, image_format, 4))
