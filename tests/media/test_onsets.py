"""Onsets are found within one hop of where the sound starts."""

import numpy as np
import pytest

from unison_core.media.onsets import onsets_s

RATE = 16000


@pytest.mark.parametrize("floor", [0.0, 0.005])
def test_bursts_are_found_within_15_ms(floor):
    rng = np.random.default_rng(1)
    wave = floor * rng.normal(size=3 * RATE)
    moments = (0.4, 0.95, 1.7, 2.5)
    for moment in moments:
        start = round(moment * RATE)
        wave[start : start + 3200] += 0.5 * rng.normal(size=3200) * np.exp(-np.arange(3200) / 600)
    assert onsets_s(wave.astype(np.float32), RATE) == pytest.approx(moments, abs=0.015)


def test_silence_has_none():
    assert onsets_s(np.zeros(RATE, np.float32), RATE) == ()
    assert onsets_s(np.zeros(10, np.float32), RATE) == ()
