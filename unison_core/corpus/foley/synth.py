"""Building blocks of struck and noisy sounds: modes, filtered noise, envelopes.

A struck body is a sum of decaying modes, `y(t) = sum_i a_i exp(-t / d_i) sin(2 pi f_i t)`: it starts at zero and
attacks within a quarter period, so a strike's first sample is its moment of contact.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import butter, sosfilt

from unison_core.corpus.speech import RATE_HZ

Rng = np.random.Generator


def times_s(duration_s: float) -> np.ndarray:
    """Sample times `(samples,)`."""
    return np.arange(round(duration_s * RATE_HZ)) / RATE_HZ


def modes(duration_s: float, freqs_hz: ArrayLike, decays_s: ArrayLike, amps: ArrayLike) -> np.ndarray:
    """Sum of decaying sines; modes over 7.5 kHz are left out."""
    t = times_s(duration_s)
    wave = np.zeros(len(t))
    for f, d, a in zip(*map(np.atleast_1d, (freqs_hz, decays_s, amps)), strict=True):
        if f < 7500:
            wave += a * np.exp(-t / d) * np.sin(2 * np.pi * f * t)
    return wave


def glide(duration_s: float, from_hz: float, to_hz: float, fall_s: float) -> np.ndarray:
    """A sine whose frequency falls exponentially from one value to another, as a struck membrane's does."""
    t = times_s(duration_s)
    return np.sin(2 * np.pi * (to_hz * t + (from_hz - to_hz) * fall_s * (1 - np.exp(-t / fall_s))))


def decay(duration_s: float, tau_s: float, attack_s: float = 0.0005) -> np.ndarray:
    """Envelope that rises linearly in `attack_s` and falls with time constant `tau_s`."""
    t = times_s(duration_s)
    return np.minimum(t / attack_s, 1.0) * np.exp(-t / tau_s)


def noise(rng: Rng, duration_s: float, low_hz: float | None = None, high_hz: float | None = None) -> np.ndarray:
    """White noise, unit RMS after a second-order band filter (either side may be open)."""
    wave = rng.standard_normal(round(duration_s * RATE_HZ))
    return unit(band(wave, low_hz, high_hz))


def band(wave: np.ndarray, low_hz: float | None, high_hz: float | None, order: int = 2) -> np.ndarray:
    """Butterworth high-pass, low-pass or band-pass, as the given edges say."""
    if low_hz is None and high_hz is None:
        return wave
    if low_hz is None:
        sos = butter(order, high_hz, "lowpass", fs=RATE_HZ, output="sos")
    elif high_hz is None:
        sos = butter(order, low_hz, "highpass", fs=RATE_HZ, output="sos")
    else:
        sos = butter(order, (low_hz, high_hz), "bandpass", fs=RATE_HZ, output="sos")
    return sosfilt(sos, wave)


def unit(wave: np.ndarray) -> np.ndarray:
    """Scale to unit RMS; silence stays silent."""
    rms = np.sqrt(np.mean(np.square(wave)))
    return wave / rms if rms > 0 else wave


def slow(rng: Rng, samples: int, rate_hz: float) -> np.ndarray:
    """A smooth random curve `(samples,)` in [0, 1] that turns about `rate_hz` times a second."""
    knots = max(4, int(np.ceil(samples / RATE_HZ * rate_hz * 2)) + 3)
    values = rng.uniform(0.0, 1.0, knots)
    x = np.linspace(0, knots - 1.001, samples)
    i = x.astype(int)
    w = (1 - np.cos(np.pi * (x - i))) / 2
    return values[i] * (1 - w) + values[i + 1] * w


def add_at(track: np.ndarray, wave: np.ndarray, start: int) -> None:
    """Add `wave` to `track` from sample `start` on, in place; what reaches past either end is dropped."""
    first, last = max(start, 0), min(start + len(wave), len(track))
    if last > first:
        track[first:last] += wave[first - start : last - start]
