"""Samples, and damaged images."""

import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from noisy_student import pseudo_labels
from noisy_student.data import tfrecords
from noisy_student.errors import InputError
from noisy_student.pseudo_labels import write
from tests.data.directories import encode, exif_of, photo
from tests.pseudo_labels.made import (
    PROBABILITIES,
    contents,
    flip_byte,
    make_source,
    read_records,
    run,
    write_images,
)


def test_some_kept_images_of_each_class_are_saved(tmp_path):
    run(tmp_path, samples_per_class=5)
    kept = {number for number, *_ in read_records(tmp_path / "out")}
    labels = PROBABILITIES.argmax(axis=1)
    for label in range(3):
        paths = list((tmp_path / f"out/samples/{label}").iterdir())
        assert 1 <= len(paths) <= 15
        for path in paths:
            number = int(path.read_bytes().split()[1])
            assert number in kept and labels[number] == label
            _, shard, place, probability = path.name.split("_")
            assert number == int(shard) + 2 * int(place)
            top = PROBABILITIES[number].max()
            assert float(probability) == pytest.approx(top, abs=0.006)


def test_no_samples_are_saved_where_none_are_wanted(tmp_path):
    run(tmp_path, samples_per_class=0)
    assert not (tmp_path / "out/samples").exists()


def test_damaged_images_are_named(tmp_path):
    paths = write_images(tmp_path, 2)
    flip_byte(paths[1], 100)
    source = tfrecords.from_files(list(map(str, paths)), "a test")
    with pytest.raises(InputError, match=f"{paths[1]} is damaged in the .*; m"):
        run(tmp_path, source=source)
    assert [path.name for path in (tmp_path / "out/data").iterdir()] == [
        "train-00000-of-00002"
    ]


def test_samples_have_the_suffix_of_their_format(tmp_path):
    paths = write_images(tmp_path, 2)
    source = tfrecords.from_files(list(map(str, paths)), "a test")
    run(tmp_path, source=source)
    samples = list((tmp_path / "out/samples").glob("*/*"))
    assert {path.suffix for path in samples} == {".png"}


@pytest.mark.parametrize("max_side", [None, 60, 30])
def test_kept_photographs_are_upright_and_not_too_large(tmp_path, max_side):
    """Records have no EXIF data to turn them by."""
    upright = (20, 30) if max_side == 30 else (40, 60)
    stored = encode(photo(0, (60, 40)), exif=exif_of(6))
    source = make_source()
    lying = source.read().map(lambda example: example | {"encoded": stored})
    for is_read, size in (True, upright), (False, (60, 40)):
        turned = dataclasses.replace(source, read=lambda: lying, exif=is_read)
        run(
            tmp_path / f"{is_read}",
            source=turned,
            samples_per_class=0,
            max_side=max_side,
        )
        paths = pseudo_labels.record_paths(tmp_path / f"{is_read}/out")
        record = next(tf.data.TFRecordDataset(paths).as_numpy_iterator())
        feature = tf.train.Example.FromString(record).features.feature
        [encoded] = feature["image/encoded"].bytes_list.value
        assert Image.open(io.BytesIO(encoded)).size == size


def test_records_come_in_another_order_than_the_images(tmp_path):
    """Neither sorted nor with the copies of an image side by side."""
    run(tmp_path, num_shards=1, num_image=400)
    numbers = np.array(
        [number for number, *_ in read_records(tmp_path / "out")]
    )
    copies = np.bincount(numbers)
    assert copies.max() >= 3  # or there would be nothing to see
    # A random order has Spearman's rho within 1 / sqrt(n), and as many
    # neighbouring copies as pairs of copies share neighbouring places.
    places = np.arange(len(numbers))
    rho = np.corrcoef(places, np.argsort(np.argsort(numbers, kind="stable")))
    assert abs(rho[0, 1]) < 4 / len(numbers) ** 0.5
    expected = (copies * (copies - 1)).sum() / len(numbers)
    assert (np.diff(numbers) == 0).sum() < expected + 4 * expected**0.5


@pytest.mark.parametrize("room", [1, 4000])
def test_a_small_buffer_loses_nothing(tmp_path, monkeypatch, room):
    run(tmp_path / "whole")
    monkeypatch.setattr(write, "_BUFFER", room)
    run(tmp_path / "small")
    assert contents(tmp_path / "small/out") == contents(tmp_path / "whole/out")
