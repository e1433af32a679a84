"""Estimates of what is written, beside what is."""

import dataclasses
import shutil
import types

import numpy as np
import pytest

from noisy_student.errors import InputError
from noisy_student.pseudo_labels import sizes
from tests.data.directories import encode, photo
from tests.pseudo_labels.made import (
    PROBABILITIES,
    make_source,
    run,
    write_predictions,
)


def size_of(paths):
    return sum(path.stat().st_size for path in paths)


@pytest.mark.parametrize("classes", [3, 300])
def test_predictions_are_as_large_as_was_said(classes, tmp_path):
    rows = np.resize(PROBABILITIES, (200, classes))
    write_predictions(tmp_path, 2, rows)
    written = size_of(tmp_path.glob("train-info-*"))
    expected = sizes.of_predictions(200, classes)
    assert written <= expected <= written + 2 * 200


@pytest.mark.parametrize(
    "changes", [{}, {"upsample": False}, {"use_all": True}]
)
def test_records_are_about_as_large_as_was_said(changes, tmp_path, monkeypatch):
    free = 10**9
    said = []
    of_records = sizes.of_records

    def estimate(*args):
        said.append(of_records(*args))
        return said[-1]

    monkeypatch.setattr(sizes, "of_records", estimate)
    usage = types.SimpleNamespace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    run(tmp_path, **changes)
    written = size_of((tmp_path / "out/data").iterdir())
    assert said == [pytest.approx(written, rel=0.1)]


def test_without_room_nothing_is_written(tmp_path, monkeypatch):
    usage = types.SimpleNamespace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"records take about .* has 0\.0 MB"):
        run(tmp_path)
    assert not list(tmp_path.glob("out/data/*"))


def test_a_mean_of_the_first_images_is_taken():
    image = sizes.of_records(make_source(), 1, 3)
    assert sizes.of_records(make_source(), 1000, 3) == pytest.approx(
        1000 * image, rel=0.02
    )
    photograph = encode(photo(0, (600, 400)))
    source = make_source()
    large = source.read().map(lambda example: example | {"encoded": photograph})
    source = dataclasses.replace(source, read=lambda: large, exif=True)
    whole, smaller = (sizes.of_records(source, 1, 3, x) for x in (None, 60))
    assert smaller < len(photograph) / 10 < whole
    more = sizes.of_records(make_source(), 1, 103) - image
    assert 400 <= more <= 410
