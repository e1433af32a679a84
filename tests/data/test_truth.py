"""True classes from a file: which image has which, and that none learns."""

import functools
import shutil

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import DataConfig
from noisy_student.data import pipelines, views
from noisy_student.data.open import open_task
from noisy_student.data.raw import open_to_label
from noisy_student.files import stamps
from tests.data.directories import (
    encoded_of,
    labels_of,
    read_all,
    write_folders,
    write_records,
    write_shard,
)
from tests.data.images import NOISED, SMALL, take

# Of seven images and three classes, ant, bee and cow; -1 is none of them.
IN_FILE = [2, -1, 0, 1, -1, 2, 0]
LABELS = [2, 3, 0, 1, 3, 2, 0]


def save(path, values, dtype=np.int64):
    np.save(path, np.array(values, dtype))
    return str(path)


@pytest.fixture
def written(tmp_path):
    """Records; the seven unlabelled images lie in three files."""
    (tmp_path / "classes.txt").write_text("ant\nbee\ncow\n")
    for split in ("train", "test"):
        write_records(tmp_path, split, [9])
    encoded = write_records(tmp_path, "extra", [4, 0, 3])
    names = [f"extra-0000{i}-of-00003" for i in range(3)]
    for name, part in zip(names, (encoded[:4], [], encoded[4:]), strict=True):
        write_shard(tmp_path / name, [(image, -1) for image in part])
    return encoded


@pytest.fixture
def opened(tmp_path, written):
    def with_truth(truth=IN_FILE):
        path = tmp_path / "truth.npy"
        config = DataConfig(
            "counted",
            label_data_dir=str(tmp_path),
            unlabel_truth=None if truth is None else save(path, truth),
        )
        return open_task(config, 0)

    return with_truth


def test_records_have_the_classes_of_the_file(tmp_path, opened, written):
    data = opened()
    images = data.unlabeled
    assert encoded_of(images) == written
    assert labels_of(images) == images.labels().tolist() == LABELS
    batches = list(images.read_batches(3).as_numpy_iterator())
    assert np.concatenate([b["label"] for b in batches]).tolist() == LABELS
    assert data.truth == stamps.digest([tmp_path / "truth.npy"])
    unknown = opened(None)
    assert labels_of(unknown.unlabeled) == [-1] * 7
    assert unknown.truth is None
    assert unknown.identity == data.identity


@pytest.mark.parametrize("count", [2, 3, 4])
def test_each_part_of_the_records_has_its_own(opened, written, count):
    """Three shards are three files; others take images in turn."""
    expected = dict(zip(written, LABELS, strict=True))
    found = []
    for shard in range(count):
        part = opened().unlabeled.shard(shard, count)
        mask = np.arange(part.num_images) % 2 == 1
        for own in (part, part.subset(mask), part.stride(1, 2)):
            examples = read_all(own)
            assert all(expected[e["encoded"]] == e["label"] for e in examples)
        found += encoded_of(part)
    assert sorted(found) == sorted(written)


def test_what_is_left_out_takes_its_class_along(tmp_path):
    """Image 2 of the folder is a test image, too."""
    photos = tmp_path / "photos"
    folders = {"train/ant": 2, "train/bee": 2, "test/ant": 1, "test/bee": 1}
    write_folders(photos, folders | {"unlabelled": 5})
    shutil.copy(photos / "test/bee/000.jpg", photos / "unlabelled/002.jpg")
    truth = save(tmp_path / "truth.npy", [1, 0, -1, -1, 1], np.int8)
    config = DataConfig(label_data_dir=str(photos), unlabel_truth=truth)
    images = open_task(config, 0).unlabeled
    assert [path[-7:-4] for path in images.paths] == [
        "000",
        "001",
        "003",
        "004",
    ]
    assert labels_of(images) == images.labels().tolist() == [1, 0, 2, 1]


def test_images_elsewhere_and_any_task(tmp_path):
    write_folders(tmp_path / "heap", {"x": 1, "a": 2})
    truth = save(tmp_path / "truth.npy", [9, -1, 3])
    config = DataConfig(
        "digits",
        unlabel_image_dir=str(tmp_path / "heap"),
        unlabel_truth=truth,
    )
    images = open_task(config, 0).unlabeled
    names = ["/".join(path.split("/")[-2:]) for path in images.paths]
    assert names == ["a/000.jpg", "a/001.jpg", "x/000.jpg"]
    assert labels_of(images) == [9, 10, 3]


def test_records_that_stand_alone(tmp_path, written):
    truth = save(tmp_path / "truth.npy", IN_FILE)
    config = DataConfig(
        label_data_dir=str(tmp_path), file_prefix="extra", unlabel_truth=truth
    )
    assert labels_of(open_to_label(config, 0).unlabeled) == LABELS


def test_training_sees_the_same_images_and_no_class(opened):
    spec = views.BatchSpec(SMALL, NOISED, batch_size=5, seed=0)
    batches = functools.partial(pipelines.unlabeled_images, spec=spec)
    plain, known = (
        take(batches(opened(truth).unlabeled), 4) for truth in (None, IN_FILE)
    )
    assert {"unlabeled_image", "unlabeled_row", "unlabeled_weight"} == {
        *plain[0]
    }
    tf.nest.map_structure(np.testing.assert_array_equal, plain, known)


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        (IN_FILE[1:], np.int64, r"each of the 7 un.* holds int64 .* \(6,\)"),
        ([IN_FILE], np.int64, r"holds int64 of the shape \(1, 7\)"),
        (IN_FILE, np.float32, "must hold an integer .* holds float32"),
        ([True] * 7, bool, "holds bool"),
        ([0, 1, 3, 0, 7, 0, 0], np.int64, "from 0 to 2, .* 3 for image 2, co"),
        ([0, -2, 0, 0, 0, 0, 0], np.int16, "it has -2 for image 1, counted"),
        ([0] * 6 + [2**64 - 1], np.uint64, "has 18446744073709551615 for ima"),
        ([None] * 7, object, "must be an .npy file, as numpy.save .*pickle"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path, written, values, dtype, message):
    truth = save(tmp_path / "truth.npy", values, dtype)
    config = DataConfig(
        "counted", label_data_dir=str(tmp_path), unlabel_truth=truth
    )
    with pytest.raises(ValueError, match=message) as error:
        open_task(config, 0)
    assert f"unlabel_truth={truth}" in str(error.value)


def test_other_files_are_refused(tmp_path, written):
    def open_with(truth):
        open_task(
            DataConfig(label_data_dir=str(tmp_path), unlabel_truth=truth), 0
        )

    with pytest.raises(ValueError, match="unlabel_truth: there is no file"):
        open_with(str(tmp_path / "no.npy"))
    path = tmp_path / "truth.npy"
    for content in (b"", b"0,1,2", b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"={path} must be an .npy file"):
            open_with(str(path))
    whole = save(path, IN_FILE)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"must be an \.npy file"):
        open_with(whole)


def test_there_must_be_images_of_unknown_classes(tmp_path):
    """Those that `num_labeled` leaves have their own, in a drawn order."""
    truth = save(tmp_path / "truth.npy", [0] * 1347)
    with pytest.raises(ValueError, match="num_labeled leaves have their cla"):
        open_task(DataConfig("digits", unlabel_truth=truth), 0)
