"""Means with 95% intervals by the percentile bootstrap over clips, from a fixed seed.

    mean* = mean of n clips drawn with replacement,    interval = 2.5% and 97.5% quantiles of 2,000 such means

Pooled figures are ratios of sums, sum(w v) / sum(w): a clip counts by its words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000
SEED = 0
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over clips, its interval, and the median; low and high are None for a single clip."""

    mean: float
    median: float
    low: float | None
    high: float | None
    count: int


def estimate(values: Sequence[float], weights: Sequence[float] | None = None) -> Estimate:
    """Mean (weighted, if weights are given) with its interval.

    Raises:
        ValueError: for no values, or weights that sum to nothing.
    """
    x = np.asarray(values, dtype=np.float64)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(x) or w.sum() <= 0:
        raise ValueError("no values to take the mean of")
    low = high = None
    if len(x) > 1:
        picks = np.random.default_rng(SEED).integers(len(x), size=(DRAWS, len(x)))
        total = w[picks].sum(axis=1)
        means = (w * x)[picks].sum(axis=1)[total > 0] / total[total > 0]
        low, high = (float(q) for q in np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    mean = float((w * x).sum() / w.sum())
    return Estimate(mean=mean, median=float(np.median(x)), low=low, high=high, count=len(x))


def paired_difference(
    a: Sequence[float], b: Sequence[float], a_weights: Sequence[float] | None = None,
    b_weights: Sequence[float] | None = None,
) -> Estimate:  # fmt: skip
    """Mean of B minus mean of A over the same clips, with the interval of drawing clips, not values, again.

    Raises:
        ValueError: the lists differ in length, or are empty.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if len(x) != len(y) or not len(x):
        raise ValueError(f"{len(x)} values against {len(y)}")
    u, v = (np.ones_like(x) if w is None else np.asarray(w, dtype=np.float64) for w in (a_weights, b_weights))

    def difference(rows: np.ndarray) -> np.ndarray:
        return (v * y)[rows].sum(-1) / v[rows].sum(-1) - (u * x)[rows].sum(-1) / u[rows].sum(-1)

    low = high = None
    if len(x) > 1:
        picks = np.random.default_rng(SEED).integers(len(x), size=(DRAWS, len(x)))
        drawn = difference(picks)
        low, high = (float(q) for q in np.quantile(drawn[np.isfinite(drawn)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    return Estimate(
        mean=float(difference(np.arange(len(x)))), median=float(np.median(y - x)), low=low, high=high, count=len(x)
    )


def share_interval(right: Sequence[bool]) -> tuple[float | None, float | None]:
    """Bootstrap interval of a share."""
    found = estimate([float(r) for r in right])
    return found.low, found.high
