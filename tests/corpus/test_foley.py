"""Strikes sound at their moments, classes sound different, and nothing sounds where nothing happens."""

from itertools import pairwise

import numpy as np
import pytest

from unison_core.corpus.foley import STRIKES, sound_effects, strikes, surroundings
from unison_core.corpus.sample import stage
from unison_core.corpus.scene import ACTIONS, AMBIENCES, Scene
from unison_core.corpus.speech import RATE_HZ
from unison_core.errors import UsageError
from unison_core.media.loudness import lufs


def scene(action=None, events_s=(), ambience=None, seed=0):
    look = stage(0, "train", None).look
    return Scene(
        seed=seed, frames=65, fps=25.0, look=look, voice=None, transcript="", phones=(), span_s=None,
        action=action, events_s=events_s, ambience=ambience, caption="",
    )  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
def test_attack_is_within_five_milliseconds(action):
    event = round(0.8 * RATE_HZ)
    wave = sound_effects(scene(action, (0.8,)))
    assert not wave[:event].any()
    attack, whole = np.abs(wave[event : event + 80]).max(), np.abs(wave).max()
    assert attack > 0.5 * whole


@pytest.mark.parametrize("action", ACTIONS)
def test_strikes_are_one_object_but_never_the_same(action):
    track = strikes(action, (0.0, 3.0), 6 * RATE_HZ, seed=5)
    first, second = track[: RATE_HZ // 10], track[3 * RATE_HZ : 3 * RATE_HZ + RATE_HZ // 10]
    assert not np.allclose(first / np.abs(first).max(), second / np.abs(second).max(), atol=1e-3)
    body = np.random.default_rng(1).bit_generator.state
    STRIKES[action](rng := np.random.default_rng(1), np.random.default_rng(2))
    assert rng.bit_generator.state != body, "the object is drawn from its own generator"


@pytest.mark.parametrize("name", ACTIONS + AMBIENCES)
def test_level_is_natural(name):
    for seed in range(3):
        made = scene(name, (0.5, 1.2), None, seed) if name in ACTIONS else scene(None, (), name, seed)
        wave = sound_effects(made)
        assert -31 < lufs(wave, RATE_HZ) < -18
        assert np.abs(wave).max() <= 0.7001


def test_ambience_fills_the_clip_and_fades():
    for name in AMBIENCES:
        wave = surroundings(name, 2 * RATE_HZ, seed=1)
        assert abs(wave[0]) < 1e-9
        assert abs(wave[-1]) < 1e-9
        thirds = np.sqrt(np.mean(wave[: 3 * (len(wave) // 3)].reshape(3, -1) ** 2, axis=1))
        assert thirds.min() > 0.1 * thirds.max(), name


def test_ambience_lies_under_the_action():
    alone, both = sound_effects(scene("drum", (1.0,))), sound_effects(scene("drum", (1.0,), "rain"))
    before = both[RATE_HZ // 4 : RATE_HZ]
    assert before.any()
    assert np.sqrt(np.mean(before**2)) < 0.35 * np.abs(alone).max()


def test_nothing_happens_nothing_sounds():
    wave = sound_effects(scene())
    assert wave.shape == (round(65 / 25 * RATE_HZ),)
    assert not wave.any()


def test_other_rates_are_refused():
    with pytest.raises(UsageError, match="44100"):
        sound_effects(scene(), rate_hz=44100)


@pytest.mark.parametrize("names", [ACTIONS, AMBIENCES], ids=["actions", "ambiences"])
def test_classes_are_told_apart_by_their_nearest_neighbour(names):
    """Log spectra over three parts of the sound; a clip of each class finds its class among others' clips."""

    def features(name, seed):
        wave = strikes(name, (0.0,), RATE_HZ, seed) if name in ACTIONS else surroundings(name, 2 * RATE_HZ, seed)
        edges = (0, 800, 3200, 16000) if name in ACTIONS else (0, len(wave) // 2, len(wave))
        bands = np.geomspace(60, 7900, 25)
        rows = []
        for start, end in pairwise(edges):
            power = np.abs(np.fft.rfft(wave[start:end])) ** 2
            hz = np.fft.rfftfreq(end - start, 1 / RATE_HZ)
            rows += [power[(hz >= a) & (hz < b)].sum() for a, b in pairwise(bands)]
        blocks = np.abs(wave[: len(wave) // 320 * 320].reshape(-1, 320)).max(axis=1)
        return np.append(np.log10(np.array(rows) / np.sum(rows) + 1e-6), 4 * np.median(blocks) / blocks.max())

    known = [(name, features(name, seed)) for name in names for seed in range(20, 32)]
    right = 0
    for name in names:
        for seed in range(5):
            x = features(name, seed)
            right += min(known, key=lambda pair: np.abs(pair[1] - x).sum())[0] == name
    assert right / (5 * len(names)) > 0.85
