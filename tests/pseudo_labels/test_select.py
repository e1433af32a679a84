import json

import hypothesis
import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import strategies

from noisy_student.config import PseudoLabelConfig
from noisy_student.pseudo_labels import select

fast = hypothesis.settings(deadline=None, max_examples=60)


def count_all(probabilities):
    labels, top = select.top_classes(probabilities)
    return select.histogram(labels, top, probabilities.shape[1])


@pytest.fixture(scope="module")
def original(fixtures):
    folder = fixtures / "filter"
    predictions = np.load(folder / "predictions.npz")
    return {
        "shards": [predictions[f"probabilities_{i}"] for i in range(4)],
        "counts": json.loads((folder / "total_counts.json").read_text()),
        "threshold": json.loads((folder / "threshold.json").read_text()),
    }


def test_counts_equal_the_original(original):
    ours = sum(map(count_all, original["shards"]))
    for label, pairs in original["counts"].items():
        edges, numbers = zip(*pairs, strict=True)
        np.testing.assert_array_equal(ours[int(label)], numbers)
        np.testing.assert_allclose(select.BIN_EDGES, edges)
    assert ours.sum() == 12_000


def test_thresholds_equal_the_original(original):
    counts = sum(map(count_all, original["shards"]))
    thresholds, totals = select.choose_thresholds(counts, 600, 0.3)
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
        lowest = index == 0 or select.BIN_EDGES[index - 1] < min_threshold
        if total >= num_image or lowest:
            return select.BIN_EDGES[index], total
    raise AssertionError


@pytest.mark.parametrize("min_threshold", [0.0, 0.3, 0.99])
def test_thresholds_equal_a_loop_over_bins(min_threshold):
    counts = np.random.default_rng(0).integers(0, 9, size=(30, 101))
    counts[7] = 0
    for num_image in (1, 50, 10_000):
        thresholds, totals = select.choose_thresholds(
            counts, num_image, min_threshold
        )
        expected = [brute_force(c, num_image, min_threshold) for c in counts]
        np.testing.assert_allclose(thresholds, [e[0] for e in expected])
        np.testing.assert_array_equal(totals, [e[1] for e in expected])


def test_min_threshold_between_two_hundredths_is_rounded_up():
    counts = np.ones([1, 101], int)
    thresholds, _ = select.choose_thresholds(counts, 1000, 0.305)
    assert thresholds[0] == 0.31


def draw(balance, probabilities, seed=0, shard=0, images=None):
    labels, top = select.top_classes(probabilities)
    images = images or range(len(labels))
    numbers = select.uniform(select.COPIES, seed, shard, images)
    return balance.draw(labels, top, numbers)


def test_copies_agree_with_the_original(fixtures):
    folder = fixtures / "filter"
    predictions = np.load(folder / "predictions.npz")
    shards = [predictions[f"probabilities_{i}"] for i in range(4)]
    config = PseudoLabelConfig(num_image=600, min_threshold=0.3)
    balance = select.Balance.choose(sum(map(count_all, shards)), config)
    theirs = np.load(folder / "output_records.npz")
    per_class = np.zeros(10)
    for index, shard in enumerate(shards):
        labels = shard.argmax(axis=1)
        drawn = draw(balance, shard, seed=5, shard=index)
        original = theirs[f"copies_{index}"]
        whole = np.floor(balance.copies)[labels]
        kept = original > 0
        # Wherever the original kept one, ours could have: same images, same
        # whole part, at most one more.
        assert np.all((drawn > 0)[kept & (whole > 0)])
        assert np.all(np.abs(drawn - original.astype(int)) <= 1)
        per_class += np.bincount(labels, drawn, minlength=10)
    final = json.loads((folder / "final_stats.json").read_text())["cat_count"]
    fraction = balance.copies - np.floor(balance.copies)
    sigma = np.sqrt(balance.totals * fraction * (1 - fraction))
    for label in range(10):
        expected = 600 if balance.totals[label] else 0
        assert abs(per_class[label] - expected) <= 4 * sigma[label] + 1e-9
        assert abs(per_class[label] - final.get(str(label), 0)) <= (
            6 * sigma[label] + 1e-9
        )


probabilities = arrays.arrays(
    np.float32,
    strategies.tuples(strategies.integers(1, 60), strategies.integers(1, 6)),
    elements=strategies.floats(0, 1, width=32),
).map(lambda x: x / np.maximum(x.sum(axis=1, keepdims=True), 1))
settings = strategies.builds(
    PseudoLabelConfig,
    num_image=strategies.integers(1, 40),
    min_threshold=strategies.sampled_from([0.0, 0.1, 0.3, 0.55]),
    upsample=strategies.booleans(),
    use_top=strategies.booleans(),
)


@fast
@hypothesis.given(probabilities, settings, strategies.integers(0, 9))
def test_what_is_kept_is_at_its_threshold_and_as_often_as_it_should(
    probabilities, config, seed
):
    balance = select.Balance.choose(count_all(probabilities), config)
    copies = draw(balance, probabilities, seed)
    labels, top = select.top_classes(probabilities)
    kept = copies > 0
    assert (top[kept] >= balance.thresholds[labels[kept]]).all()
    assert (balance.thresholds >= config.min_threshold).all()
    assert not kept[top == 0].any()
    if not config.upsample:
        assert (copies <= 1).all()
    for label in range(probabilities.shape[1]):
        eligible = (labels == label) & (top >= balance.thresholds[label])
        eligible &= top > 0
        total = eligible.sum()
        assert total == balance.totals[label]
        expected = config.num_image / total if total else 0
        if not config.upsample:
            expected = min(expected, 1)
        # Never further from the expectation than one copy, nor is the mean
        # over all random numbers, which the next test looks at.
        assert (np.abs(copies[eligible] - expected) < 1).all()
        assert balance.copies[label] == pytest.approx(expected)


@fast
@hypothesis.given(
    strategies.integers(0, 2**32 - 1),
    strategies.integers(0, 50),
    strategies.integers(1, 200),
    strategies.integers(1, 7),
    strategies.lists(strategies.integers(1, 30), min_size=1),
)
def test_numbers_depend_on_seed_shard_and_place_alone(
    seed, shard, size, workers, batches
):
    whole = select.uniform(select.COPIES, seed, shard, range(size))
    assert len(whole) == size and ((whole >= 0) & (whole < 1)).all()
    parts = np.full(size, np.nan)
    for worker in range(workers):
        own = range(worker, size, workers)
        first = 0
        for step in batches * size:
            places = own[first : first + step]
            if not places:
                break
            parts[places] = select.uniform(select.COPIES, seed, shard, places)
            first += step
    np.testing.assert_array_equal(parts, whole)


def test_numbers_of_other_seeds_shards_and_purposes_differ():
    images = range(500)
    drawn = [
        select.uniform(purpose, seed, shard, images)
        for purpose in (select.COPIES, select.SAMPLES)
        for seed in (0, 1)
        for shard in (0, 1)
    ]
    assert len({numbers.tobytes() for numbers in drawn}) == 8
    correlations = np.corrcoef(drawn)[np.triu_indices(8, 1)]
    assert np.abs(correlations).max() < 0.2


def make_balance(thresholds, copies, max_prob=2.0):
    copies = np.array(copies, float)
    nothing = np.zeros(len(copies), int)
    return select.Balance(
        nothing, np.array(thresholds), nothing, copies, max_prob
    )


def test_nothing_below_its_class_threshold_is_kept():
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.3, 0.7]])
    balance = make_balance([0.7, 0.7], [2.0, 1.0])
    assert draw(balance, probabilities).tolist() == [0, 2, 1]


def test_images_that_could_not_be_decoded_are_never_kept():
    balance = make_balance([0, 0], [1, 1])
    copies = draw(balance, np.array([[0.0, 0.0], [0.6, 0.4]]))
    assert copies.tolist() == [0, 1]


def test_max_prob_leaves_out_the_surest():
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1]])
    balance = make_balance([0, 0], [1, 1], max_prob=0.8)
    assert draw(balance, probabilities).tolist() == [1, 0]


def test_expected_copies():
    totals = np.array([0, 50, 100, 400])
    expect = select.expected_copies
    assert expect(totals, 100, True).tolist() == [0, 2, 1, 0.25]
    assert expect(totals, 100, False).tolist() == [0, 1, 1, 0.25]


def test_use_all_and_use_top():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([1, 1, 1], 900).astype(np.float32)
    counts = count_all(probabilities)
    config = {"num_image": 100, "min_threshold": 0.4}
    every = select.Balance.choose(
        counts, PseudoLabelConfig(use_all=True, **config)
    )
    assert draw(every, probabilities).tolist() == [1] * 900
    assert every.totals.sum() == 900 and (every.thresholds == 0).all()
    assert (every.sampling_rates(9) < 0.05).all()
    top = select.Balance.choose(counts, PseudoLabelConfig(**config))
    thinned = select.Balance.choose(
        counts, PseudoLabelConfig(use_top=False, **config)
    )
    assert (top.thresholds > 0.6).all() and (top.totals < 130).all()
    assert (thinned.thresholds == 0.4).all() and (thinned.totals > 200).all()
    np.testing.assert_allclose(thinned.totals * thinned.copies, 100)


@pytest.mark.parametrize("copies", [0.25, 1.0, 2.7])
def test_the_mean_number_of_copies_is_the_expected_one(copies):
    probabilities = np.tile([[0.9, 0.1]], (20_000, 1))
    drawn = draw(make_balance([0, 0], [copies, 1]), probabilities, 3, 1)
    assert set(np.unique(drawn)) <= {int(copies), int(copies) + 1}
    fraction = copies - int(copies)
    sigma = (fraction * (1 - fraction) / 20_000) ** 0.5
    assert abs(drawn.mean() - copies) <= 4 * sigma


def test_sampling_rates():
    balance = select.Balance(
        np.zeros(4),
        np.zeros(4),
        np.array([0, 5, 100, 1000]),
        np.array([0, 20.0, 1.0, 0.1]),
        2.0,
    )
    assert balance.sampling_rates(10).tolist() == [1, 1, 0.1, 0.1]
