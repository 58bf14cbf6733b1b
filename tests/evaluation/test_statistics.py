"""Intervals cover the truth as often as they say, and pooled and paired figures are what their formulas say."""

import numpy as np
import pytest

from unison_core.evaluation.statistics import estimate, paired_difference


def test_the_interval_covers_the_true_mean_about_95_times_in_100():
    rng = np.random.default_rng(0)
    hits = [e.low <= 3.0 <= e.high for e in (estimate(rng.normal(3.0, 2.0, size=40)) for _ in range(200))]
    assert 0.89 <= np.mean(hits) <= 0.99


def test_a_pooled_rate_is_a_ratio_of_sums():
    found = estimate([0.5, 0.0], [2, 8])
    assert found.mean == pytest.approx(1 / 10)
    assert found.median == pytest.approx(0.25)


def test_one_value_has_no_interval_and_none_has_no_mean():
    assert (estimate([2.0]).low, estimate([2.0]).high) == (None, None)
    with pytest.raises(ValueError, match="no values"):
        estimate([])


def test_a_paired_difference_is_found_where_clips_vary_more_than_systems():
    rng = np.random.default_rng(1)
    clips = rng.normal(0, 10, size=50)
    a, b = clips, clips + 0.5 + rng.normal(0, 0.2, size=50)
    found = paired_difference(a, b)
    assert found.mean == pytest.approx(0.5, abs=0.1)
    assert found.low > 0
    assert estimate(b).low < estimate(a).high  # the separate intervals overlap by far


def test_paired_lists_must_be_of_one_length():
    with pytest.raises(ValueError, match="2 values against 1"):
        paired_difference([1, 2], [1])
