"""Which labelled images keep labels, validate and test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisy_student.config import DataConfig
from noisy_student.data import held_out
from noisy_student.data.folders import FileSource
from noisy_student.data.open import open_task
from tests.data.directories import write_folders

COUNTS = st.lists(st.integers(0, 60), min_size=2, max_size=12).filter(any)


def files(counts):
    """Image files of which nobody reads any, with so many of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    paths = np.array([f"{i}.jpg" for i in range(len(labels))], object)
    return FileSource.from_files(paths, labels, np.arange(len(paths)), "photos")


@given(COUNTS, st.data())
def test_quotas_are_proportional(counts, data):
    counts = np.array(counts)
    classes = np.count_nonzero(counts)
    number = data.draw(st.integers(classes, counts.sum()))
    quotas = held_out.quotas(counts, number)
    assert quotas.sum() == number
    assert (quotas <= counts).all() and ((quotas > 0) == (counts > 0)).all()
    # One for each class that has some, then in proportion, to less than one.
    present = counts > 0
    others = np.maximum(counts - 1, 0)
    exact = others * (number - classes) / max(1, others.sum())
    assert (np.abs(quotas - present - exact) < 1).all()


@given(COUNTS, st.floats(0.05, 0.6), st.integers(0, 9))
def test_validation_images_are_some_of_each_class(counts, fraction, seed):
    counts = [count + 2 for count in counts]
    source, names = files(counts), [*map(str, range(len(counts)))]
    if not held_out.is_enough(source, fraction, len(counts)):
        return
    trained, validation, note = held_out.for_validation(
        source, fraction, names, seed
    )
    number = round(fraction * sum(counts))
    assert validation.num_images == number and note.startswith(f"{number} of")
    parts = [set(part.index) for part in (trained, validation)]
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == set(range(sum(counts)))
    for part in (trained, validation):
        assert np.bincount(part.labels(), minlength=len(counts)).all()
    shares = np.bincount(validation.labels()) / counts
    assert np.abs(shares - fraction).max() < 1.5 / min(counts)


def test_labels_are_kept_equally_or_by_shares():
    source = files([40, 20, 4])
    labels = source.labels()

    def kept(number):
        chosen, rest = held_out.keep_labels(source, labels, number, 3, seed=0)
        assert chosen.num_images + rest.num_images == 64
        return np.bincount(chosen.labels()).tolist()

    assert kept(12) == [4, 4, 4]
    assert kept(13) == [7, 4, 2]  # 1 + 39, 19, 3 times 10 / 61
    assert kept(30)[2] < 4  # no class has 10 of 4


def test_test_images_are_the_same_for_every_seed(tmp_path):
    write_folders(tmp_path, {"train/a": 10, "train/b": 20, "train/c": 10})

    def opened(seed, **settings):
        config = DataConfig(label_data_dir=str(tmp_path), **settings)
        return open_task(config, seed)

    data = opened(0)
    assert data.test.num_images == 8 and data.labeled.num_images == 32
    assert np.bincount(data.test.labels()).tolist() == [2, 4, 2]
    assert not {*data.test.paths} & {*data.labeled.paths}
    assert {*opened(1).test.paths} == {*data.test.paths}
    assert "8 of its 40 labelled images, the same in every run" in data.notes[0]
    half = opened(0, test_fraction=0.5)
    assert half.test.num_images == 20
    assert half.identity != data.identity
    with pytest.raises(
        ValueError, match=r"test_fraction=0\.01 of the 40 label"
    ):
        opened(0, test_fraction=0.01)


def test_folders_are_validated_by_default(tmp_path):
    write_folders(tmp_path, {"train/a": 60, "train/b": 40, "test/a": 1})

    def opened(seed=0, **settings):
        config = DataConfig(label_data_dir=str(tmp_path), **settings)
        return open_task(config, seed)

    data = opened()
    assert np.bincount(data.held_out.labels()).tolist() == [6, 4]
    assert data.labeled.num_images == 90 and data.test.num_images == 1
    assert {*opened(1).held_out.paths} != {*data.held_out.paths}
    few = opened(num_labeled=94)
    assert few.held_out is None and few.labeled.num_images == 94
    assert few.notes[0].startswith(
        "No labelled images are held out to validate: 0.1 of 94 is less than 5 "
    )
    assert opened(validation_fraction=0.0).held_out is None
    assert opened(validation_fraction=0.0).notes == ()
    # A split of that name is taken instead, and is none of these.
    write_folders(tmp_path, {"dev/a": 3, "dev/b": 3})
    assert opened().held_out is None and not opened().notes
    assert opened(validation_fraction=0.2).held_out.num_images == 20


def test_a_single_image_is_trained_on(tmp_path):
    folders = {"train/a": 80, "train/b": 80, "train/c": 1}
    write_folders(tmp_path, folders)
    config = DataConfig(label_data_dir=str(tmp_path))
    with pytest.raises(ValueError, match="a single image of c, which cannot"):
        open_task(config, 0)
    write_folders(tmp_path, folders | {"test/a": 1})
    data = open_task(config, 0)
    assert np.bincount(data.held_out.labels()).tolist() == [8, 8]
    assert data.notes == (
        "16 of 161 labelled images are held out to validate. None of them is "
        "of c, with a single image.",
    )
