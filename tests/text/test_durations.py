"""Phoneme durations: the fit recovers what made the data; the last word is drawn out."""

import numpy as np
import pytest

from unison_core.text.durations import DurationModel, features
from unison_core.text.fit_durations import Spoken, fit, report
from unison_core.text.phonemes import transcribe
from unison_core.text.vocabulary import SYMBOLS

MODEL = DurationModel.read()
TEXTS = ["We start in five minutes.", "Put the red cup down, please.", "A storm is coming soon.", "Nobody saw the dog."]


def test_every_symbol_but_the_space_has_a_length() -> None:
    assert all(0.003 < MODEL.mean_s[s] < 0.4 for s in SYMBOLS[2:])


def test_paces_average_one() -> None:
    assert np.mean(list(MODEL.voices.values())) == pytest.approx(1.0, abs=1e-3)


def test_final_sounds_are_longer() -> None:
    symbols = transcribe("Five and five")
    durations = MODEL.predict(symbols)
    vowels = [d for s, d in zip(symbols, durations, strict=True) if s == "ˈaɪ"]
    assert vowels[1] > 1.1 * vowels[0]


def test_vowels_are_longer_than_stops() -> None:
    assert MODEL.mean_s["ˈaɪ"] > 1.5 * MODEL.mean_s["t"]


def test_features_look_over_spaces() -> None:
    symbols = transcribe("Is it")  # ɪ z · ɪ t .
    assert features(symbols, symbols.index("z"))[:2] == ["vowel <voiced fricative", "voiced fricative> vowel"]
    assert "voiced fricative closes word" in features(symbols, symbols.index("z"))
    assert features(symbols, 0) == []


def test_the_fit_recovers_the_lengths_that_made_the_data() -> None:
    data = []
    for text in TEXTS * 8:
        symbols = transcribe(text)
        for voice, pace in MODEL.voices.items():
            durations = np.array(MODEL.predict(symbols)) * pace
            durations[[0, -1]] = 0.0
            data.append(Spoken(voice=voice, symbols=tuple(symbols), durations_s=tuple(durations)))
    fitted = fit(data)
    for voice, pace in MODEL.voices.items():
        assert fitted.voices[voice] == pytest.approx(pace, rel=0.02)
    for text in TEXTS:
        symbols = transcribe(text)
        assert sum(fitted.predict(symbols)) == pytest.approx(sum(MODEL.predict(symbols)), rel=0.02)
    assert "boundaries off by" in report(data, fitted)
