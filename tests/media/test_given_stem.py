"""A given stem comes out as it went in: the other one makes room, the sum never clips."""

import numpy as np
import pytest

from unison_core.media.limiter import give_way
from unison_core.media.mix import MixSettings, mix_stems
from unison_core.media.wav import FULL_SCALE, quantise
from unison_core.types import SFX, SPEECH

RATE = 16000


def _noise(level, seed=0):
    return quantise(level * np.random.default_rng(seed).uniform(-1, 1, RATE)).astype(np.float32)


@pytest.mark.parametrize("level", [0.3, 0.95, 32767 / 32768])
def test_the_given_stem_is_kept_to_the_bit_and_nothing_clips(level):
    stems = {SPEECH: _noise(level), SFX: _noise(0.9, seed=1)}
    stems[SPEECH][100] = quantise(np.array(level))
    mixed = mix_stems(stems, RATE, MixSettings(), given=(SPEECH,))
    assert np.array_equal(mixed.stems[SPEECH], stems[SPEECH])
    assert np.array_equal(mixed.mix, mixed.stems[SPEECH] + mixed.stems[SFX])
    assert mixed.mix.max() <= (FULL_SCALE - 1) / FULL_SCALE
    assert mixed.mix.min() >= -1
    assert mixed.reduction_db > 0
    assert mixed.kept == {SPEECH}


def test_room_is_made_only_where_it_is_needed():
    held, sfx = np.zeros(RATE), np.full(RATE, 0.5)
    held[8000] = 0.9
    lowered, reduction_db = give_way({SPEECH: held, SFX: sfx}, held, {SPEECH}, RATE)
    assert lowered[SFX][8000] <= 0.1
    assert np.array_equal(lowered[SFX][:7800], sfx[:7800])
    assert reduction_db == pytest.approx(20 * np.log10(0.5 / 0.1), abs=0.1)


def test_without_need_nothing_changes():
    stems = {SPEECH: _noise(0.3), SFX: _noise(0.3, seed=1)}
    mixed = mix_stems(stems, RATE, MixSettings(), given=(SFX,))
    for stream, samples in stems.items():
        assert np.array_equal(mixed.stems[stream], samples)
    assert mixed.reduction_db == 0


def test_two_given_stems_that_clip_are_lowered_together():
    stems = {SPEECH: _noise(0.9), SFX: _noise(0.9, seed=1)}
    mixed = mix_stems(stems, RATE, MixSettings(), given=(SPEECH, SFX))
    assert mixed.kept == frozenset()
    assert np.abs(mixed.mix).max() < 1
    ratio = [np.abs(mixed.stems[s]).max() / np.abs(stems[s]).max() for s in stems]
    assert ratio[0] == pytest.approx(ratio[1], abs=1e-3)


def test_what_the_user_asks_for_is_done_to_given_stems_too():
    stems = {SPEECH: _noise(0.3), SFX: _noise(0.1, seed=1)}
    mixed = mix_stems(stems, RATE, MixSettings(speech_gain_db=-6), given=(SPEECH,))
    assert np.allclose(mixed.stems[SPEECH], stems[SPEECH] * 10 ** (-6 / 20), atol=1 / FULL_SCALE)


def test_a_lowered_stem_fits_even_where_the_kept_one_takes_from_its_peak() -> None:
    held, sfx = np.full(400, -0.3), np.full(400, 1.1)  # resampling overshoots
    lowered, reduction_db = give_way({SPEECH: held, SFX: sfx}, held, {SPEECH}, RATE)
    assert np.abs(lowered[SFX]).max() < 1
    assert reduction_db == pytest.approx(20 * np.log10(1.1), abs=0.01)
