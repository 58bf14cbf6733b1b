"""When an action strikes: steady, grouped, bouncing or irregular moments that a hand could keep."""

import numpy as np

MIN_GAP_S = {"keyboard": 0.18, "scissors": 0.18, "maraca": 0.18} | dict.fromkeys(
    ("drum", "knock", "clap", "hammer", "ball"), 0.35
)
"""Least time between strikes by action, where it is not 0.6 s."""
FIRST_S, LAST_S, MOST = 0.25, 0.15, 8
"""No strike in the first and last part of a clip, and at most so many."""


def draw_events(rng: np.random.Generator, action: str, duration_s: float) -> tuple[float, ...]:
    """Ascending moments of contact, one to eight, within a clip of `duration_s` seconds."""
    gap_s = MIN_GAP_S.get(action, 0.6)
    end_s = duration_s - LAST_S
    count = int(rng.integers(1, MOST + 1))
    gaps_s = _gaps(rng, action, gap_s, count)
    length_s = np.cumsum(gaps_s)
    fits = int(np.searchsorted(length_s, end_s - FIRST_S, side="right"))
    last_s = length_s[fits - 1] if fits else 0.0
    start_s = rng.uniform(FIRST_S, end_s - last_s)
    moments = start_s + np.concatenate([[0.0], length_s[:fits]])
    return tuple(round(float(t), 4) for t in moments)


def _gaps(rng: np.random.Generator, action: str, gap_s: float, count: int) -> np.ndarray:
    """Times between `count` strikes, each at least `gap_s`."""
    beat_s = gap_s * rng.uniform(1.05, 2.0)
    kind = rng.uniform()
    if action == "ball" and kind < 0.5:  # left to bounce: every flight is shorter than the one before
        return np.maximum(0.75 * rng.uniform(0.8, 0.9) ** np.arange(count - 1), gap_s)
    if kind < 0.5:  # steady, as far as a hand is
        return np.maximum(beat_s * rng.uniform(0.97, 1.03, count - 1), gap_s)
    if kind < 0.75:  # groups of two or three with a rest between
        size = int(rng.integers(2, 4))
        rest = np.where(np.arange(1, count) % size == 0, rng.uniform(1.8, 2.4), 1.0)
        return 1.05 * gap_s * rest * rng.uniform(1.0, 1.1, count - 1)
    return gap_s * (1.05 + rng.exponential(0.7, count - 1))
