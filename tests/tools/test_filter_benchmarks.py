"""The benchmarks of filtering measure what they say."""

import json

import numpy as np
import pytest

from noisy_student.data import records
from noisy_student.files import shards
from tests.scripts import python
from tools.benchmarks import filter as filter_benchmark
from tools.benchmarks import target_storage


@pytest.mark.slow
def test_the_table_and_the_figures():
    process = python(
        "-m",
        "tools.benchmarks.filter",
        "--sizes=2000",
        "--classes=10",
        "--rounds=1",
    )
    assert process.returncode == 0, process.stderr
    lines = process.stdout.strip().split("\n")
    assert lines[1].split()[:2] == ["10", "2000"]
    figures = json.loads(lines[-1])
    assert figures["images_per_second"] > 0
    assert figures["selection_images_per_second"] > 0
    assert 0 < figures["peak_mb_1m"] < 400
    # 43 % of the images, as in the paper, from copies drawn at random.
    assert abs(int(lines[1].split()[-1]) - 860) < 100


def test_made_up_predictions_are_probabilities():
    generator = np.random.default_rng(0)
    for rows in (
        filter_benchmark.make_probabilities(50, 10, generator),
        target_storage.made_up(10, 50),
    ):
        assert rows.shape == (50, 10) and rows.dtype == np.float32
        np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-5)
        assert len(set(rows.argmax(axis=1))) > 5


def test_shorter_forms_keep_what_they_should():
    rows = target_storage.made_up(20, 100)
    halves = target_storage.as_float16(rows)
    np.testing.assert_allclose(halves, rows, rtol=1e-3, atol=1e-6)
    top = target_storage.as_top_k(rows, 3)
    np.testing.assert_allclose(top.sum(axis=1), 1, atol=2e-3)
    order = rows.argsort(axis=1)
    kept = np.take_along_axis(top, order, axis=1)
    np.testing.assert_allclose(
        kept[:, -3:], np.sort(rows, axis=1)[:, -3:], rtol=1e-3, atol=1e-6
    )
    assert (np.ptp(kept[:, :-3], axis=1) == 0).all()
    assert target_storage.compare(rows, rows) == {
        "distance": 0.0,
        "label": 0.0,
        "bin": 0.0,
    }
    result = target_storage.compare(rows, np.roll(rows, 1, axis=1))
    assert result["label"] == 1.0 and result["distance"] > 0.3


def test_predictions_are_read_from_a_directory(tmp_path):
    rows = target_storage.made_up(5, 30)
    for shard in (0, 1):
        path = tmp_path / f"train-info-0000{shard}-of-00002-00000"
        with shards.shard_writer(path) as writer:
            for row in rows[shard * 20 :][:20]:
                writer.write(records.encode_prediction(row))
    np.testing.assert_array_equal(target_storage.read_all(tmp_path, 5), rows)
    with pytest.raises(SystemExit, match="no files train-info"):
        target_storage.read_all(tmp_path / "none", 5)
