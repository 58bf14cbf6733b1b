"""The mix is the sum of the stems, to the sample, whatever is done to them."""

import math

import numpy as np
import pytest

from unison_core.errors import UsageError
from unison_core.media.activity import activity
from unison_core.media.loudness import lufs
from unison_core.media.mix import MixSettings, mix_stems
from unison_core.media.wav import read_wav, write_wav
from unison_core.types import SFX, SPEECH

RATE = 16000


def stems(speech_level: float = 0.3, sfx_level: float = 0.3, seconds: float = 2.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    n = round(seconds * RATE)
    return {
        SPEECH: (speech_level * rng.uniform(-1, 1, n)).astype(np.float32),
        SFX: (sfx_level * rng.uniform(-1, 1, n)).astype(np.float32),
    }


@pytest.mark.parametrize(
    "settings",
    [
        MixSettings(),
        MixSettings(speech_gain_db=7.3, sfx_gain_db=-4.1),
        MixSettings(duck_db=9),
        MixSettings(lufs=-16),
        MixSettings(lufs=-6, duck_db=3, speech_gain_db=12),
    ],
)
def test_files_add_up_to_the_sample(tmp_path, settings):
    mixed = mix_stems(stems(0.8, 0.9), RATE, settings)
    for name, wave in {**mixed.stems, "mix": mixed.mix}.items():
        write_wav(tmp_path / f"{name}.wav", wave, RATE)
    levels = {
        name: np.round(read_wav(tmp_path / f"{name}.wav")[0] * 32768).astype(int) for name in (SPEECH, SFX, "mix")
    }
    assert np.array_equal(levels["mix"], levels[SPEECH] + levels[SFX])
    assert np.array_equal(read_wav(tmp_path / "mix.wav")[0], mixed.mix)


def test_nothing_changes_what_needs_no_change():
    given = stems()
    mixed = mix_stems(given, RATE, MixSettings())
    assert mixed.reduction_db == 0
    for stream in given:
        assert np.abs(mixed.stems[stream] - given[stream]).max() <= 0.5 / 32768


def test_a_peak_over_full_scale_lowers_all_alike_and_is_reported():
    given = stems(1.0, 1.0)
    given[SPEECH][100] = given[SFX][100] = 1.0
    mixed = mix_stems(given, RATE, MixSettings())
    factor = 10 ** (-mixed.reduction_db / 20)
    assert factor == pytest.approx(0.5, abs=1e-3)
    assert np.abs(mixed.mix).max() < 1
    for stream in given:
        assert np.abs(mixed.stems[stream] - factor * given[stream]).max() <= 1 / 32768


def test_stems_of_opposite_sign_are_protected_too():
    given = {SPEECH: np.full(RATE, 1.5, np.float32), SFX: np.full(RATE, -1.5, np.float32)}
    mixed = mix_stems(given, RATE, MixSettings())
    assert np.abs(mixed.stems[SPEECH]).max() < 1
    assert not mixed.mix.any()


def test_gains_are_decibels():
    quiet = mix_stems(stems(), RATE, MixSettings(sfx_gain_db=-20))
    assert np.abs(quiet.stems[SFX] - 0.1 * stems()[SFX]).max() <= 1 / 32768


def test_lufs_is_reached_where_peaks_allow():
    mixed = mix_stems(stems(0.05, 0.05), RATE, MixSettings(lufs=-20))
    assert lufs(mixed.mix, RATE) == pytest.approx(-20, abs=0.05)


def test_duck_lowers_effects_only_while_speech_is_heard():
    given = stems(seconds=4)
    given[SPEECH][: 2 * RATE] = 0
    ducked = mix_stems(given, RATE, MixSettings(duck_db=12)).stems[SFX]
    half = RATE // 2
    assert np.allclose(ducked[:half], given[SFX][:half], atol=1 / 32768)
    assert np.allclose(ducked[-half:], given[SFX][-half:] * 10 ** (-12 / 20), atol=1 / 32768)


def test_silence_stays_silent():
    silent = {SPEECH: np.zeros(RATE, np.float32), SFX: np.zeros(RATE, np.float32)}
    mixed = mix_stems(silent, RATE, MixSettings(lufs=-16, duck_db=6))
    assert not mixed.mix.any()
    assert not activity(silent[SPEECH], RATE).any()


@pytest.mark.parametrize(
    "settings", [{"duck_db": -3}, {"lufs": 3}, {"speech_gain_db": math.inf}, {"sfx_gain_db": -100}]
)
def test_values_out_of_range_are_refused(settings):
    with pytest.raises(UsageError, match="outside"):
        MixSettings(**settings)


def test_wav_refuses_to_clip(tmp_path):
    with pytest.raises(ValueError, match="does not fit"):
        write_wav(tmp_path / "x.wav", np.array([1.0], np.float32), RATE)
