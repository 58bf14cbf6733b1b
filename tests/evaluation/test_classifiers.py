"""The fitted classifiers name what corpus recordings hold, at any level, and fitting works."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from unison_core.corpus.foley import sound_effects
from unison_core.corpus.sample import stage
from unison_core.corpus.scene import VOICES
from unison_core.corpus.speech import RATE_HZ, speak
from unison_core.evaluation.features import log_mel
from unison_core.evaluation.sounds import name_sounds
from unison_core.evaluation.voices import name_voice

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="needs the synthesiser flite")


@pytest.fixture(scope="module")
def scenes():
    return [stage(seed, "held_out", None) for seed in range(5000, 5030)]


def test_sounds_of_held_out_scenes_are_named(scenes):
    named = [name_sounds(sound_effects(scene), RATE_HZ) for scene in scenes]
    right = [(name.action, name.ambience) == (s.action, s.ambience) for name, s in zip(named, scenes, strict=True)]
    assert np.mean(right) >= 0.93


def test_level_does_not_matter_and_silence_is_none(scenes):
    stem = sound_effects(next(scene for scene in scenes if scene.action))
    loud, quiet = (name_sounds(gain * stem, RATE_HZ).actions for gain in (1.0, 0.1))
    assert max(abs(loud[name] - quiet[name]) for name in loud) < 0.05
    silent = name_sounds(np.zeros(3 * RATE_HZ), RATE_HZ)
    assert (silent.action, silent.ambience) == (None, None)


def test_another_ambience_is_another_answer(scenes):
    scene = next(s for s in scenes if s.ambience == "rain" or s.action)
    for ambience in ("birds", "engine"):
        assert name_sounds(sound_effects(replace(scene, ambience=ambience)), RATE_HZ).ambience == ambience


@needs_flite
@pytest.mark.parametrize("voice", VOICES)
def test_each_voice_is_named(voice):
    named = name_voice(speak("Someone left a blue umbrella at the door.", voice).wave, RATE_HZ)
    assert named is not None
    assert max(named, key=named.__getitem__) == voice


def test_silence_has_no_voice():
    assert name_voice(np.zeros(RATE_HZ), RATE_HZ) is None


def test_a_tone_lands_in_one_mel_band_and_moves_by_its_gain():
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ)
    loud, quiet = (log_mel(gain * tone, RATE_HZ)[50] for gain in (1.0, 0.1))
    assert loud.max() - quiet.max() == pytest.approx(20, abs=0.01)
    assert loud.max() - np.median(loud) > 40


def test_fitting_learns_from_few_recordings():
    from unison_core.evaluation.fit_classifiers import fit_sounds, record_sounds, score_sounds

    torch.set_num_threads(1)
    recordings = record_sounds("train", 64)
    before, after = (score_sounds(fit_sounds(recordings, epochs), recordings)["ambience"] for epochs in (1, 12))
    assert after > max(before, 0.7)
