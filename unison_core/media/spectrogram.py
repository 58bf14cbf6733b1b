"""A waveform as a picture: log-frequency magnitude in dB, coloured dark to bright."""

import numpy as np
from scipy.signal import stft

RANGE_DB = 70.0
"""Levels this far under the loudest of all rows are black."""
LOWEST_HZ = 60.0
WINDOW_S = 0.032

STOPS = np.array(
    [(10, 10, 24), (52, 20, 90), (125, 32, 120), (200, 60, 90), (243, 130, 66), (252, 205, 120), (255, 250, 225)]
)
"""Colour ramp of perceptually rising lightness, from silence to the loudest."""


def spectrogram_db(samples: np.ndarray, rate_hz: int, *, width: int, height: int) -> np.ndarray:
    """Levels in dB re full scale `(height, width)`; rows run from the Nyquist frequency down to 60 Hz, evenly in log.

    Column x shows time (x + 0.5) / width of the clip, so that it lines up with whatever is drawn at the same scale.
    """
    window = round(WINDOW_S * rate_hz)
    samples = np.pad(samples, (0, max(0, window - len(samples))))
    duration_s = len(samples) / rate_hz
    frequencies, times, spectrum = stft(samples, rate_hz, nperseg=window, noverlap=window - window // 8)
    level = 20 * np.log10(np.abs(spectrum) * 2 + 1e-6)  # (frequencies, times)
    wanted_s = (np.arange(width) + 0.5) / width * duration_s
    columns = np.clip(np.searchsorted(times, wanted_s), 0, len(times) - 1)
    wanted_hz = np.geomspace(rate_hz / 2, LOWEST_HZ, height)
    place = np.interp(wanted_hz, frequencies, np.arange(len(frequencies)))
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, len(frequencies) - 1)
    share = (place - low)[:, None]
    picked = level[:, columns]
    return picked[low] * (1 - share) + picked[high] * share


def colour(levels_db: np.ndarray, top_db: float) -> np.ndarray:
    """Levels `(H, W)` as uint8 RGB `(H, W, 3)`; `top_db` is the brightest."""
    x = np.clip((levels_db - top_db) / RANGE_DB + 1, 0, 1)
    stops = np.linspace(0, 1, len(STOPS))
    return np.stack([np.interp(x, stops, STOPS[:, c]) for c in range(3)], axis=-1).astype(np.uint8)
