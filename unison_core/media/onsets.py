"""Moments at which a sound begins: peaks of spectral flux, the rise of log magnitude over a 10 ms hop."""

import numpy as np
from scipy.signal import find_peaks, stft

HOP_S = 0.01
WINDOW_S = 0.032
APART_S = 0.1
"""Two onsets are at least this far apart."""
THRESHOLD = 4.0
"""A peak stands this many median absolute deviations over the median flux."""
FLOOR = 0.01
"""Magnitude (re full scale) under which nothing is heard."""


def onsets_s(samples: np.ndarray, rate_hz: int) -> tuple[float, ...]:
    """Onsets of a mono waveform `(samples,)`, in seconds, ascending; empty for silence."""
    window, hop = round(WINDOW_S * rate_hz), round(HOP_S * rate_hz)
    if len(samples) < window or np.abs(samples).max() < FLOOR:
        return ()
    _, times, spectrum = stft(samples, rate_hz, nperseg=window, noverlap=window - hop, boundary="even")
    magnitude = np.log(1 + np.abs(spectrum) / (FLOOR / 10))
    flux = np.maximum(np.diff(magnitude, axis=1), 0).sum(axis=0)
    middle = np.median(flux)
    spread = np.median(np.abs(flux - middle)) + 1e-3 * flux.max() + 1e-9
    height = max(middle + THRESHOLD * spread, 0.25 * flux.max())
    peaks, _ = find_peaks(np.pad(flux, 1), height=height, distance=max(1, round(APART_S / HOP_S)))
    end_s = (len(samples) - window) / rate_hz  # beyond it, windows are partly padding
    return tuple(float(t) for t in times[peaks] if t <= end_s)
