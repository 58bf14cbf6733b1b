"""Log-mel and cepstral frames for the weight-free audio metrics, in numpy alone."""

from functools import cache

import numpy as np
from scipy.fft import dct
from scipy.signal import resample_poly

RATE_HZ = 16000
MELS = 40


def log_mel(
    wave: np.ndarray, rate_hz: int, hop_s: float = 0.01, window_s: float = 0.025, floor_db: float = -90.0
) -> np.ndarray:
    """Log-mel power `(frames, 40)` in dB, not below `floor_db` of full scale; frame k is centred at k * hop_s.

    The wave is brought to 16 kHz; windows are Hann, mel bands are 40 triangles from 50 Hz to 7.6 kHz.
    """
    wave = np.asarray(wave, dtype=np.float32)
    if rate_hz != RATE_HZ:
        divisor = np.gcd(rate_hz, RATE_HZ)
        wave = resample_poly(wave, RATE_HZ // divisor, rate_hz // divisor).astype(np.float32)
    size, hop = round(window_s * RATE_HZ), round(hop_s * RATE_HZ)
    padded = np.pad(wave, size // 2)
    starts = np.arange(0, len(padded) - size + 1, hop)
    windows = padded[starts[:, None] + np.arange(size)] * _hann(size)
    power = np.abs(np.fft.rfft(windows, n=512, axis=1)) ** 2 / np.sum(_hann(size)) ** 2 * 4
    return 10 * np.log10(power @ _mel_bands() + 10 ** (floor_db / 10))


def cepstra(mel: np.ndarray, count: int = 20) -> np.ndarray:
    """Cepstral coefficients `(frames, count)` of log-mel frames: their orthonormal cosine transform."""
    return dct(mel, type=2, norm="ortho", axis=1)[:, :count]


@cache
def _hann(size: int) -> np.ndarray:
    return np.hanning(size + 1)[:-1].astype(np.float32)


@cache
def _mel_bands() -> np.ndarray:
    """Triangles `(257, 40)` on O'Shaughnessy's mel scale, each of peak 1."""
    top, bottom = (2595 * np.log10(1 + f / 700) for f in (7600.0, 50.0))
    edges = 700 * (10 ** (np.linspace(bottom, top, MELS + 2) / 2595) - 1)
    bins = np.arange(257) * RATE_HZ / 512
    rise = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)
