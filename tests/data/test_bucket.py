"""Images and records in a bucket, beside the same on a disk."""

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import DataConfig
from noisy_student.data import (
    frame_folders,
    image_dir,
    image_files,
    order,
    record_files,
    record_offsets,
)
from noisy_student.data.open import open_task
from noisy_student.errors import InputError
from noisy_student.files import remote, writing
from tests.data.directories import encode, photo, read_all, write_records


@pytest.fixture
def roots(bucket, tmp_path):
    record_offsets._boundaries.cache_clear()
    return bucket, tmp_path


def opened(root, **settings):
    config = DataConfig("counted", label_data_dir=str(root), **settings)
    return open_task(config, seed=0)


def without_root(examples, root):
    """Examples whose names are relative."""
    prefix = f"{root}/".encode()
    for example in examples:
        example["record"] = example["record"].replace(prefix, b"")
    return examples


def test_folders_are_those_of_a_disk(roots, warnings):
    names = ("train/b/x/1.jpg", "train/a[1]/2.JPG", "train/b/.h/3.jpg")
    names += ("train/.hidden/4.jpg", "train/b/notes.txt", "train/loose.jpg")
    names += ("test/b/5.jpg", "test/a[1]/6.jpg", "unlabelled/deep/7.jpg")
    found, told = [], []
    for root in roots:
        for number, name in enumerate(names):
            content = encode(photo(number))
            writing.write_bytes(root / name, content)
        data = opened(root)
        sources = (data.labeled, data.test, data.unlabeled)
        found.append([without_root(read_all(x), root) for x in sources])
        assert data.class_names == ("a[1]", "b")
        assert data.labeled.sizes(np.arange(2)) == [(50, 40)] * 2
        told.append([text.replace(str(root), "") for text in warnings])
        paths = image_dir.find(root / "train")
        warnings.clear()
        assert [path.removeprefix(str(root)) for path in paths] == [
            "/train/a[1]/2.JPG",
            "/train/b/x/1.jpg",
            "/train/loose.jpg",
        ]
    assert found[0] == found[1]
    assert told[0] == told[1] and len(told[0]) == 2
    assert [len(source) for source in found[0]] == [2, 2, 1]


def test_frames_are_those_of_a_disk(roots):
    found = []
    for root in roots:
        for name in ("k/cat/x/1.png", "k/cat/x/2.png", "k/ape/y/01.png"):
            writing.write_bytes(root / name, b"")
        writing.write_bytes(root / "k/ape/y/02.png", b"")
        writing.write_bytes(root / "k/ape/.y/02.png", b"")
        [frames] = frame_folders.open_folders(str(root), ["k"])
        paths = [path.removeprefix(str(root)) for path in frames.paths.ravel()]
        found.append(paths)
    assert found[0] == found[1]
    assert found[0][0] == "/k/ape/y/01.png"


@pytest.fixture
def records(roots):
    for root in roots:
        write_records(root, "train", [40, 0, 33])
        write_records(root, "test", [5])
        writing.write_text(root / "classes.txt", "ant\nbee\ncow\n")
    return roots


def test_records_are_those_of_a_disk(records):
    found = []
    for root in records:
        data = opened(root)
        assert data.task.image_size == 20
        found.append(without_root(read_all(data.labeled), root))
    assert found[0] == found[1]
    assert len(found[0]) == 73


@pytest.mark.parametrize("places", [None, [0, 1, 2, 39, 40, 41, 71]])
def test_their_order_in_training_is_that_of_a_disk(records, places):
    orders = []
    for root in records:
        source = opened(root).labeled
        if places is not None:
            source = source.at(np.array(places))
        images = order.epochs(source.blocks(), (1, 2), 5, buffer_size=60)
        taken = images.take(2 * source.num_images).batch(1000)
        [(at, serialized)] = taken.as_numpy_iterator()
        orders.append((at.tolist(), serialized.tolist()))
    assert orders[0] == orders[1]
    assert len(set(orders[0][0])) == source.num_images


def test_blocks_of_several_records_keep_their_order(records, monkeypatch):
    monkeypatch.setattr("noisy_student.data.record_blocks._MIN_BLOCKS", 15)
    orders = []
    for root in records:
        blocks = opened(root).labeled.blocks()
        assert blocks.sizes.max() == 4
        images = order.epochs(blocks, (1, 2), 5, buffer_size=60).take(100)
        orders.append(list(images.as_numpy_iterator()))
    assert orders[0] == orders[1]


def test_where_records_are_is_kept_and_not_asked_again(records, monkeypatch):
    bounds = []
    for root in records:
        writing.write_json(root / record_files.COUNTS_FILE, {})
        path = root / "train-00000-of-00003"
        bounds.append(record_offsets.boundaries([path])[0].tolist())
        assert path.with_name(f"{path.name}.offsets.npy").exists()
    assert bounds[0] == bounds[1] and len(bounds[0]) == 41
    record_offsets._boundaries.cache_clear()
    monkeypatch.setattr(record_offsets, "find", lambda path: 1 / 0)
    path = records[0] / "train-00000-of-00003"
    assert record_offsets.boundaries([path])[0].tolist() == bounds[0]
    expected = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    found = record_offsets.read_at(path, [0, 17, 39])
    assert found == [expected[number] for number in (0, 17, 39)]
    assert record_files.read_at(path, [0]) == expected[:1]


def test_damage_is_found_as_on_a_disk(records):
    for root in records:
        path = root / "train-00000-of-00003"
        whole = path.read_bytes()
        begin = int(record_offsets.find(path)[3])
        for name, content in (
            ("cut", whole[: begin + 20]),
            ("header", whole[: begin + 5]),
            ("bad", whole[: begin + 20] + b"?" + whole[begin + 21 :]),
            ("text", b"no records at all, only words"),
        ):
            writing.write_bytes(root / name, content)
        assert record_files.scan(root / "cut") == (3, begin)
        assert record_files.scan(root / "header") == (3, begin)
        assert record_files.scan(path) == (40, None)
        bad = str(root / "bad")
        assert record_files.locate_damage([bad]) == (bad, begin)
        assert record_files.locate_damage([str(root / "cut")]) is None
        with pytest.raises(InputError, match="text is no TFRecord file, or d"):
            record_files.scan(root / "text")


def test_an_image_that_is_not_there_is_named(bucket):
    writing.write_bytes(bucket / "a.jpg", encode(photo(0)))
    source = image_dir.source([str(bucket / "b.jpg")], "a test")
    with pytest.raises(tf.errors.NotFoundError):
        read_all(source)
    assert image_files.find(bucket) == ([f"{bucket}/a.jpg"], [])
    assert remote.size(bucket / "a.jpg") == len(encode(photo(0)))
