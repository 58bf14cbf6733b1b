"""A drawn mouth that follows a planted envelope is found and correlated."""

import numpy as np
import pytest

from unison_core.corpus.scene import MOUTH_INSIDE, SKINS
from unison_core.evaluation.colour import rgb_of_hex
from unison_core.evaluation.lips import lip_sync, mouth_area, speech_level

FPS, RATE_HZ, FRAMES = 25.0, 16000, 75


def envelope() -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.clip(np.convolve(rng.normal(size=FRAMES + 4), np.ones(5) / 2, mode="valid"), 0, 2) / 2


def face(opening: np.ndarray, skin: str) -> np.ndarray:
    """A skin-coloured picture with a mouth up to nine rows high, and a still patch of brown hair."""
    frames = np.tile(rgb_of_hex(SKINS[skin]).astype(np.uint8), (FRAMES, 128, 128, 1))
    frames[:, 44:60, 80:90] = rgb_of_hex("#5b3a21")
    for frame, open_rows in zip(frames, np.round(9 * opening).astype(int), strict=True):
        frame[52 : 52 + open_rows, 57:71] = rgb_of_hex(MOUTH_INSIDE)
    return frames


def voice(opening: np.ndarray) -> np.ndarray:
    loud = np.repeat(opening, RATE_HZ // int(FPS))
    return loud * np.random.default_rng(0).normal(size=len(loud)) * 0.1


@pytest.mark.parametrize("skin", SKINS)
def test_area_follows_the_opening_on_every_skin(skin):
    opening = envelope()
    assert np.corrcoef(mouth_area(face(opening, skin)), opening)[0, 1] > 0.97


def test_area_is_the_number_of_mouth_pixels():
    opening = envelope()
    painted = np.round(9 * opening) * 14
    assert np.abs(mouth_area(face(opening, "fair")) - painted).max() < 1


def test_lips_that_fit_the_voice_correlate_and_others_do_not():
    opening = envelope()
    area = mouth_area(face(opening, "tan"))
    true = lip_sync(area, speech_level(voice(opening), RATE_HZ, FPS, FRAMES), FPS)
    other = lip_sync(area, speech_level(voice(opening[::-1]), RATE_HZ, FPS, FRAMES), FPS)
    assert true.r > 0.7
    assert other.r < 0.4


def test_a_late_voice_is_found_within_80_ms_only():
    opening = envelope()
    area = mouth_area(face(opening, "tan"))
    for frames_late, found in ((2, True), (6, False)):
        late = np.roll(opening, frames_late)
        scores = lip_sync(area, speech_level(voice(late), RATE_HZ, FPS, FRAMES), FPS)
        assert (scores.r_best > 0.7) == found
        assert scores.r < 0.6


def test_level_is_in_decibels_under_the_loudest_frame():
    wave = np.concatenate([np.full(640, 0.1), np.full(640, 0.05), np.zeros(640)])
    assert speech_level(wave, RATE_HZ, FPS, 3) == pytest.approx([0, -6.02, -30], abs=0.01)


def test_a_shut_mouth_and_a_silent_stem_score_zero():
    opening = envelope()
    shut = mouth_area(face(np.zeros(FRAMES), "fair"))
    silent = speech_level(np.zeros(FRAMES * 640), RATE_HZ, FPS, FRAMES)
    assert lip_sync(shut, speech_level(voice(opening), RATE_HZ, FPS, FRAMES), FPS).r == 0
    assert lip_sync(mouth_area(face(opening, "fair")), silent, FPS).r == 0
