"""Mouth shapes follow the phones."""

from dataclasses import replace

import numpy as np
import pytest

from tests.corpus.test_render import SPEAKING, STILL
from unison_core.corpus.mouth import mouth_opening, mouth_shape
from unison_core.corpus.scene import Phone


def frame_at(seconds: float) -> int:
    return int(seconds * SPEAKING.fps)


def test_lips_close_for_silence_and_for_labials_and_open_for_vowels() -> None:
    opening = mouth_opening(SPEAKING)
    assert opening.shape == (SPEAKING.frames,)
    assert opening.dtype == np.float32
    assert np.all((opening >= 0) & (opening <= 1))
    by_name = {p.name: opening[frame_at(0.5 * (p.start_s + p.end_s))] for p in SPEAKING.phones}
    assert by_name["b"] < 0.1
    assert by_name["p"] < 0.1
    assert by_name["pau"] == 0
    assert by_name["aa"] > 0.8
    assert by_name["aa"] > by_name["iy"] > by_name["v"]
    assert not mouth_opening(STILL).any()


def test_lips_round_for_uw_and_spread_for_iy() -> None:
    spread = mouth_shape(SPEAKING).spread
    middle = {p.name: spread[frame_at(0.5 * (p.start_s + p.end_s))] for p in SPEAKING.phones}
    assert middle["uw"] < -0.4 < 0.4 < middle["iy"]


def test_neighbours_colour_a_weak_phone() -> None:
    def middle_opening(vowel: str) -> float:
        names = ("pau", vowel, "t", vowel, "pau")
        phones = tuple(Phone(name=n, start_s=0.2 + 0.06 * i, end_s=0.26 + 0.06 * i) for i, n in enumerate(names))
        return float(mouth_opening(replace(SPEAKING, phones=phones))[frame_at(0.35)])

    assert middle_opening("aa") > middle_opening("iy") > middle_opening("m")


def test_a_phone_without_a_viseme_is_refused() -> None:
    with pytest.raises(ValueError, match="qq"):
        mouth_opening(replace(SPEAKING, phones=(Phone(name="qq", start_s=0, end_s=1),)))
