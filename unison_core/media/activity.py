"""When a voice is heard: the level in 20 ms windows against the stem's own loudest one."""

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

HOP_S = 0.01
WINDOW_S = 0.02
BELOW_PEAK_DB = 35.0
FLOOR_DB = -55.0
"""A window under this level (dB re full scale) is never active."""
HOLD_S = 0.25
"""Pauses shorter than this between words stay active."""
FADE_S = 0.08


def levels_db(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """RMS level `(windows,)` every 10 ms, in dB re full scale, never under -120."""
    hop = max(1, round(HOP_S * rate_hz))
    power = uniform_filter1d(samples.astype(np.float64) ** 2, max(1, round(WINDOW_S * rate_hz)), mode="constant")
    return 10 * np.log10(np.maximum(power[hop // 2 :: hop], 1e-12))


def heard_s(samples: np.ndarray, rate_hz: int) -> tuple[float, float] | None:
    """From when to when a voice is heard, in seconds, without the hold and the fades of `activity`; None in silence."""
    if not samples.size or not (active := _active(samples, rate_hz)).any():
        return None
    first, last = np.flatnonzero(active)[[0, -1]].tolist()
    return (first * HOP_S, min((last + 1) * HOP_S, samples.size / rate_hz))


def _active(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """Whether a voice is heard, bool `(windows,)`, every 10 ms."""
    level = levels_db(samples, rate_hz)
    return level > max(level.max(initial=FLOOR_DB) - BELOW_PEAK_DB, FLOOR_DB)


def activity(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """How far speech is active, `(samples,)` in [0, 1]: 1 while it is heard, with 80 ms fades, 0 in silence."""
    if not samples.size:
        return np.zeros(0, np.float32)
    held = maximum_filter1d(_active(samples, rate_hz).astype(np.float64), max(1, round(HOLD_S / HOP_S)))
    faded = uniform_filter1d(held, max(1, round(FADE_S / HOP_S)))
    hop = max(1, round(HOP_S * rate_hz))
    return np.interp(np.arange(len(samples)), hop // 2 + hop * np.arange(len(faded)), faded).astype(np.float32)
