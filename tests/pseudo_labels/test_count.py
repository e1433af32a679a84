import json

import numpy as np
import pytest

from noisy_student.pseudo_labels import count


@pytest.fixture(scope="module")
def original(fixtures):
    folder = fixtures / "filter"
    predictions = np.load(folder / "predictions.npz")
    return {
        "shards": [predictions[f"probabilities_{i}"] for i in range(4)],
        "counts": json.loads((folder / "total_counts.json").read_text()),
        "threshold": json.loads((folder / "threshold.json").read_text()),
    }


def count_all(probabilities):
    labels, top = count.top_classes(probabilities)
    return count.count(labels, top, probabilities.shape[1])


def test_counts_equal_the_original(original):
    ours = sum(map(count_all, original["shards"]))
    for label, pairs in original["counts"].items():
        edges, numbers = zip(*pairs, strict=True)
        np.testing.assert_array_equal(ours[int(label)], numbers)
        np.testing.assert_allclose(count.BIN_EDGES, edges)
    assert ours.sum() == 12_000


def test_thresholds_equal_the_original(original):
    counts = sum(map(count_all, original["shards"]))
    thresholds, totals = count.choose_thresholds(counts, 600, 0.3)
    for label, (threshold, total) in original["threshold"].items():
        assert thresholds[int(label)] == pytest.approx(threshold)
        assert totals[int(label)] == total


def test_images_that_could_not_be_decoded_do_not_count():
    counts = count_all(np.array([[0.0, 0.0], [0.2, 0.8]], np.float32))
    assert counts.sum() == 1 and counts[1, 80] == 1


def test_a_probability_on_an_edge_belongs_to_the_bin_above():
    probabilities = np.array([[0.29, 0.71], [1.0, 0.0], [0.5, 0.5]])
    counts = count_all(probabilities)
    assert counts[1, 71] == 1 and counts[0, 100] == 1 and counts[0, 50] == 1
    assert counts.sum() == 3


def brute_force(counts, num_image, min_threshold):
    """The rule of the paper, bin by bin."""
    for index in reversed(range(101)):
        total = counts[index:].sum()
        lowest = index == 0 or count.BIN_EDGES[index - 1] < min_threshold
        if total >= num_image or lowest:
            return count.BIN_EDGES[index], total
    raise AssertionError


@pytest.mark.parametrize("min_threshold", [0.0, 0.3, 0.99])
def test_thresholds_equal_a_loop_over_bins(min_threshold):
    counts = np.random.default_rng(0).integers(0, 9, size=(30, 101))
    counts[7] = 0
    for num_image in (1, 50, 10_000):
        thresholds, totals = count.choose_thresholds(
            counts, num_image, min_threshold
        )
        expected = [brute_force(c, num_image, min_threshold) for c in counts]
        np.testing.assert_allclose(thresholds, [e[0] for e in expected])
        np.testing.assert_array_equal(totals, [e[1] for e in expected])


def test_min_threshold_between_two_hundredths_is_rounded_up():
    counts = np.ones([1, 101], int)
    thresholds, _ = count.choose_thresholds(counts, 1000, 0.305)
    assert thresholds[0] == 0.31
