"""Waveforms on disk: 16-bit PCM, one channel, where a sample k stands for k / 32768.

Stems are brought onto that grid once, in memory (`quantise`), so that what is summed is what is written:
mix = speech + sfx holds to the sample, in float32 and in the files alike.
"""

import io
from pathlib import Path

import numpy as np
import soundfile

FULL_SCALE = 32768


def quantise(samples: np.ndarray) -> np.ndarray:
    """Round float32 `(samples,)` to the nearest multiple of 1/32768; exact in float32 for |x| <= 2."""
    return (np.round(samples.astype(np.float64) * FULL_SCALE) / FULL_SCALE).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, rate_hz: int) -> None:
    """Write a waveform `(samples,)` within [-1, 1 - 1/32768] as 16-bit PCM.

    Raises:
        ValueError: a sample lies outside the range; clipping silently is the caller's to avoid.
    """
    levels = np.round(samples.astype(np.float64) * FULL_SCALE)
    if levels.size and (levels.min() < -FULL_SCALE or levels.max() > FULL_SCALE - 1):
        raise ValueError(f"peak {np.abs(samples).max():.4f} does not fit 16-bit PCM")
    encoded = io.BytesIO()  # written by Python, which says why where it fails; libsndfile does not
    soundfile.write(encoded, levels.astype(np.int16), rate_hz, subtype="PCM_16", format="WAV")
    path.write_bytes(encoded.getvalue())


def read_wav(path: Path) -> tuple[np.ndarray, int]:
    """A one-channel WAV file as float32 `(samples,)`, and its rate in Hz."""
    samples, rate_hz = soundfile.read(path, dtype="float32")
    return samples, rate_hz
