"""Loudness against the standard's own anchor, and the cases that have none."""

import math

import numpy as np
import pytest

from unison_core.media.loudness import lufs


def tone(seconds: float, rate_hz: int = 48000, hz: float = 997.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz).astype(np.float32)


def test_a_full_scale_997_hz_sine_reads_minus_3_01():
    assert lufs(tone(3), 48000) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("seconds", [0.39, 0.1, 0.01])
def test_clips_shorter_than_a_block_are_measured(seconds):
    assert lufs(tone(seconds), 48000) == pytest.approx(-3.01, abs=1.0)


@pytest.mark.parametrize(
    "samples", [np.zeros(0, np.float32), np.zeros(16000, np.float32), np.full(16000, 1e-6, np.float32)]
)
def test_silence_is_minus_infinity(samples):
    assert lufs(samples, 16000) == -math.inf
