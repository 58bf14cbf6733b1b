"""Loudness and distortion have closed forms on tones."""

import math

import numpy as np
import pytest

from unison_core.evaluation.loudness import (
    background_survival,
    loudness_difference,
    programme_to_speech,
    si_sdr,
)

RATE_HZ = 16000


def tone(gain: float = 1.0, seconds: float = 3.0) -> np.ndarray:
    return gain * np.sin(2 * np.pi * 997 * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def test_loudness_difference_is_the_gain_between_stems():
    assert loudness_difference(tone(0.5), tone(0.05), RATE_HZ) == pytest.approx(20, abs=1e-6)
    assert loudness_difference(tone(), np.zeros(3 * RATE_HZ), RATE_HZ) == math.inf


def test_programme_lies_6_db_over_speech_of_which_it_holds_two_copies():
    assert programme_to_speech(tone(0.1), tone(0.1), RATE_HZ) == pytest.approx(6.02, abs=0.01)


@pytest.mark.parametrize("drop_db", [0.0, 12.0])
def test_background_survival_finds_a_planted_dip(drop_db):
    time_s = np.arange(4 * RATE_HZ) / RATE_HZ
    speech = np.where((time_s > 1) & (time_s < 3), tone(0.3, 4), 0.0)
    spoken_over = (time_s > 0.9) & (time_s < 3.1)  # the 100 ms that activity is held belong to the dip
    background = np.random.default_rng(0).normal(size=len(time_s)) * 0.01
    background *= np.where(spoken_over, 10 ** (-drop_db / 20), 1.0)
    assert background_survival(speech, background, RATE_HZ) == pytest.approx(-drop_db, abs=0.5)


def test_background_survival_is_undefined_without_speech_or_without_pauses():
    assert background_survival(np.zeros(RATE_HZ), tone(seconds=1), RATE_HZ) is None
    assert background_survival(tone(seconds=1), tone(seconds=1), RATE_HZ) is None


def test_si_sdr_is_the_planted_ratio_whatever_the_scale_and_offset():
    reference = tone()
    noise = np.cos(2 * np.pi * 997 * np.arange(len(reference)) / RATE_HZ)  # orthogonal, same power
    assert si_sdr(3 * (reference + 0.1 * noise) + 5, reference) == pytest.approx(20, abs=0.01)
    assert si_sdr(-3 * (reference + 0.1 * noise), reference + 1) == pytest.approx(20, abs=0.01)
    assert si_sdr(2 * reference, reference) > 200
    assert si_sdr(noise, reference) < -60


def test_si_sdr_of_a_silent_reference_is_refused():
    with pytest.raises(ValueError, match="silent"):
        si_sdr(tone(), np.zeros(3 * RATE_HZ))
