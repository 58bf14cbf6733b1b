"""A limiter that makes room for a stem which must not change: the others are lowered where, and only where, the sum
would pass full scale, or they themselves would.

    g[n] = min(1, (C - sign(x[n]) h[n]) / |x[n]|, C / |x_i[n]| of each)
    gain = mean over a window of (minimum over that window of g)

h is what is kept, x the sum of the rest x_i. The mean of windowed minima never exceeds g at its middle, so no sample
passes C.
"""

import math
from collections.abc import Collection, Mapping

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from unison_core.media.wav import FULL_SCALE

CEILING = (FULL_SCALE - 1.5) / FULL_SCALE
"""Highest sample of 16 bits, less what rounding may add."""
WINDOW_S = 0.01


def give_way(
    stems: Mapping[str, np.ndarray], held: np.ndarray, kept: Collection[str], rate_hz: int
) -> tuple[dict[str, np.ndarray], float]:
    """Lower the stems that are not `kept`.

    Args:
        stems: float64 `(samples,)` by stream.
        held: sum of the kept ones, rounded as it will be written.
        kept: streams that stay as they are.
        rate_hz: of the stems.

    Returns:
        All stems, and the deepest reduction in dB (0: nothing was lowered).
    """
    others = np.stack([samples for stream, samples in stems.items() if stream not in kept])
    rest, loudest = others.sum(axis=0), np.abs(others).max(axis=0)
    room = np.maximum(CEILING - np.sign(rest) * held, 0.0)
    allowed = np.minimum(1.0, np.minimum(room / np.maximum(np.abs(rest), 1e-12), CEILING / np.maximum(loudest, 1e-12)))
    if allowed.min(initial=1.0) >= 1:
        return dict(stems), 0.0
    window = 2 * round(WINDOW_S * rate_hz / 2) + 1
    gain = np.minimum(uniform_filter1d(minimum_filter1d(allowed, window), window), allowed)
    lowered = {stream: samples if stream in kept else samples * gain for stream, samples in stems.items()}
    return lowered, -20 * math.log10(max(float(gain.min()), 1e-3))


def limited(wave: np.ndarray, rate_hz: int) -> np.ndarray:
    """A float32 `(samples,)` that is lowered around what would pass full scale, and nowhere else."""
    alone = np.zeros(len(wave))
    return give_way({"": wave.astype(np.float64)}, alone, (), rate_hz)[0][""].astype(np.float32)
