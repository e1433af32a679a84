"""Intervals against a bootstrap written out, and their coverage."""

import numpy as np
import pytest

from noisy_student.evaluation import intervals


def test_it_is_the_bootstrap():
    generator = np.random.default_rng(0)
    values = generator.choice([-1, 0, 1], 200, p=[0.1, 0.6, 0.3])
    found = intervals.bootstrap(values)
    drawn = generator.choice(values, (10_000, 200)).mean(axis=1)
    truth = np.quantile(drawn, [0.025, 0.975])
    assert found.mean == values.mean()
    # Quantiles of 10,000 draws differ by chance, and means by steps of 1/200.
    assert found[1:] == pytest.approx(truth, abs=0.011)
    assert found == intervals.bootstrap(values, seed=0)


def test_equal_models_have_no_interval():
    assert intervals.bootstrap(np.zeros(50)) == (0, 0, 0)


def test_95_percent_of_the_intervals_hold_the_truth():
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        found = intervals.bootstrap(generator.random(150) < 0.7)
        held += found.low <= 0.7 <= found.high
    assert 0.91 < held / 300 < 0.98
