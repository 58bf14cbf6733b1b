"""Mel-frequency cepstra as SyncNet was trained on: 13 of them, 25 ms windows every 10 ms, of 16-bit sound at 16 kHz.

x' = x_t - 0.97 x_{t-1},    P = |FFT_512|^2 / 512 of unwindowed frames
c = lifter(DCT(log(P @ mel))),    c_0 = log sum P
"""

import numpy as np
from scipy.fft import dct

RATE_HZ = 16000
WINDOW, HOP, FFT = 400, 160, 512
FILTERS, COUNT, LIFTER, PREEMPHASIS = 26, 13, 22, 0.97
TINY = np.finfo(float).eps


def mfcc(samples: np.ndarray) -> np.ndarray:
    """Cepstra `(frames, 13)` of `(samples,)` in 16-bit units (full scale is 32768); the end is padded with zeros."""
    wave = np.asarray(samples, dtype=np.float64)
    wave = np.append(wave[:1], wave[1:] - PREEMPHASIS * wave[:-1])
    count = 1 + max(0, -(-(len(wave) - WINDOW) // HOP))
    wave = np.pad(wave, (0, max(0, (count - 1) * HOP + WINDOW - len(wave))))
    frames = wave[np.arange(count)[:, None] * HOP + np.arange(WINDOW)]
    power = np.abs(np.fft.rfft(frames, FFT)) ** 2 / FFT
    energy = power.sum(axis=1)
    bands = power @ _filters().T
    cepstra = dct(np.log(np.where(bands == 0, TINY, bands)), type=2, axis=1, norm="ortho")[:, :COUNT]
    cepstra *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COUNT) / LIFTER)
    cepstra[:, 0] = np.log(np.where(energy == 0, TINY, energy))
    return cepstra


def _filters() -> np.ndarray:
    """Triangles `(26, 257)` whose corners lie on whole FFT bins, evenly spaced in mel from 0 to 8 kHz."""
    top = 2595 * np.log10(1 + RATE_HZ / 2 / 700)
    corners_hz = 700 * (10 ** (np.linspace(0, top, FILTERS + 2) / 2595) - 1)
    corners = np.floor((FFT + 1) * corners_hz / RATE_HZ)
    bins = np.arange(FFT // 2 + 1)
    filters = np.zeros((FILTERS, len(bins)))
    for j in range(FILTERS):
        low, middle, high = corners[j : j + 3]
        rise, fall = (bins >= low) & (bins < middle), (bins >= middle) & (bins < high)
        filters[j, rise] = (bins[rise] - low) / (middle - low)
        filters[j, fall] = (high - bins[fall]) / (high - middle)
    return filters
