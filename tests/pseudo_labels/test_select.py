import json

import numpy as np
import pytest

from noisy_student.pseudo_labels import count, select


def test_copies_agree_with_the_original(fixtures):
    folder = fixtures / "filter"
    predictions = np.load(folder / "predictions.npz")
    shards = [predictions[f"probabilities_{i}"] for i in range(4)]
    counts = sum(count.count(shard) for shard in shards)
    thresholds, totals = count.choose_thresholds(counts, 600, 0.3)
    copies = select.expected_copies(totals, 600, True, False)
    drawn = [
        select.draw_copies(shard, thresholds, copies, 2.0, 5, index)
        for index, shard in enumerate(shards)
    ]
    theirs = np.load(folder / "output_records.npz")
    per_class = np.zeros(10)
    for index, shard in enumerate(shards):
        labels = shard.argmax(axis=1)
        original = theirs[f"copies_{index}"]
        whole = np.floor(copies)[labels]
        kept = original > 0
        # Wherever the original kept one, ours could have: same images, same
        # whole part, at most one more.
        assert np.all((drawn[index] > 0)[kept & (whole > 0)])
        assert np.all(np.abs(drawn[index] - original.astype(int)) <= 1)
        per_class += np.bincount(labels, drawn[index], minlength=10)
    final = json.loads((folder / "final_stats.json").read_text())["cat_count"]
    fraction = copies - np.floor(copies)
    sigma = np.sqrt(totals * fraction * (1 - fraction))
    for label in range(10):
        expected = 600 if totals[label] else 0
        assert abs(per_class[label] - expected) <= 4 * sigma[label] + 1e-9
        assert abs(per_class[label] - final.get(str(label), 0)) <= (
            6 * sigma[label] + 1e-9
        )


def test_nothing_below_its_class_threshold_is_kept():
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.3, 0.7]])
    drawn = select.draw_copies(
        probabilities, np.array([0.7, 0.7]), np.array([2.0, 1.0]), 2.0, 0, 0
    )
    assert drawn.tolist() == [0, 2, 1]


def test_images_that_could_not_be_decoded_are_never_kept():
    copies = select.draw_copies(
        np.array([[0.0, 0.0], [0.6, 0.4]]), np.zeros(2), np.ones(2), 2.0, 0, 0
    )
    assert copies.tolist() == [0, 1]


def test_max_prob_leaves_out_the_surest():
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1]])
    drawn = select.draw_copies(
        probabilities, np.zeros(2), np.ones(2), 0.8, 0, 0
    )
    assert drawn.tolist() == [1, 0]


def test_expected_copies():
    totals = np.array([0, 50, 100, 400])
    expect = select.expected_copies
    assert expect(totals, 100, True, False).tolist() == [0, 2, 1, 0.25]
    assert expect(totals, 100, False, False).tolist() == [0, 1, 1, 0.25]
    assert expect(totals, 100, True, True).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("copies", [0.25, 1.0, 2.7])
def test_the_mean_number_of_copies_is_the_expected_one(copies):
    probabilities = np.tile([[0.9, 0.1]], (20_000, 1))
    drawn = select.draw_copies(
        probabilities, np.zeros(2), np.array([copies, 1.0]), 2.0, 3, 1
    )
    assert set(np.unique(drawn)) <= {int(copies), int(copies) + 1}
    fraction = copies - int(copies)
    sigma = (fraction * (1 - fraction) / 20_000) ** 0.5
    assert abs(drawn.mean() - copies) <= 4 * sigma


def test_draws_depend_on_seed_and_shard_and_nothing_else():
    probabilities = np.tile([[0.9, 0.1]], (500, 1))

    def draw(seed, shard):
        return select.draw_copies(
            probabilities, np.zeros(2), np.full(2, 0.5), 2.0, seed, shard
        ).tolist()

    assert draw(0, 0) == draw(0, 0)
    assert draw(0, 0) != draw(0, 1)
    assert draw(0, 0) != draw(1, 0)
