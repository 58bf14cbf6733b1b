"""Speech is trimmed and levelled, and its phones lie where the sound is."""

import shutil

import numpy as np
import pytest

from unison_core.corpus.scene import VOICES
from unison_core.corpus.speech import LEVEL_DB, RATE_HZ, _phones, level, speak
from unison_core.errors import UnisonError, UsageError

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


@needs_flite
@pytest.mark.parametrize("voice", VOICES)
def test_phones_cover_the_sound(voice):
    said = speak("We start in five minutes.", voice)
    assert said.wave.dtype == np.float32
    assert [p.name for p in said.phones][:4] == ["w", "iy", "s", "t"]
    assert all(a.end_s <= b.start_s + 1e-6 for a, b in zip(said.phones, said.phones[1:], strict=False))
    assert 0 < said.phones[0].start_s < 0.03
    assert said.duration_s - 0.06 < said.phones[-1].end_s <= said.duration_s
    vowel = next(p for p in said.phones if p.name == "ay")
    inside = said.wave[round(vowel.start_s * RATE_HZ) : round(vowel.end_s * RATE_HZ)]
    assert np.sqrt(np.mean(inside**2)) > 3 * np.sqrt(np.mean(said.wave[: round(0.02 * RATE_HZ)] ** 2))


@needs_flite
def test_two_sentences_have_one_time_line():
    said = speak("Good morning. How are you?", "slt")
    assert [p.name for p in said.phones if p.name != "pau"][-2:] == ["y", "uw"]
    assert abs(said.phones[-1].end_s - said.duration_s) < 0.06


def test_times_that_restart_are_shifted():
    phones = _phones("pau:0.2 w:0.3 pau:0.5\npau:0.1 iy:0.4")
    assert [p.end_s for p in phones] == pytest.approx([0.2, 0.3, 0.5, 0.6, 0.9])


def test_level_ignores_silence():
    tone = np.sin(np.arange(RATE_HZ) * 0.3)
    for wave in (tone, np.concatenate([np.zeros(RATE_HZ), 0.01 * tone])):
        scaled = level(wave)
        active = scaled[-RATE_HZ:]
        assert 20 * np.log10(np.sqrt(np.mean(active**2))) == pytest.approx(LEVEL_DB, abs=0.1)


def test_wrong_requests_are_named(monkeypatch):
    with pytest.raises(UsageError, match="slt, rms, awb, kal16"):
        speak("Hello there.", "bob")
    with pytest.raises(UsageError, match=r"\.\.\."):
        speak("...", "slt")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UnisonError, match="apt-get install flite"):
        speak("Hello there.", "slt")
