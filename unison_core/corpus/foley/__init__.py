"""Effects of a scene: every strike at its moment of contact, and the surroundings' sound under it.

sfx = g_action * sum_i strength_i * strike_i(t - t_i) + g_ambience * texture(t)
"""

from collections.abc import Callable

import numpy as np
import pyloudnorm

from unison_core.corpus.foley import ambience, bodies, gestures
from unison_core.corpus.foley.synth import Rng, add_at, unit
from unison_core.corpus.scene import ACTIONS, AMBIENCES, Scene
from unison_core.corpus.speech import RATE_HZ
from unison_core.errors import UsageError

STRIKES: dict[str, Callable[[Rng, Rng], np.ndarray]] = {
    name: getattr(bodies, name, None) or getattr(gestures, name) for name in ACTIONS
}
TEXTURES: dict[str, Callable[[Rng, int], np.ndarray]] = {name: getattr(ambience, name) for name in AMBIENCES}

LOUDNESS = {
    "knock": -25.0, "clap": -26.0, "keyboard": -28.0, "maraca": -26.0, "scissors": -26.0, "camera": -26.0,
    "glass": -24.0, "stamp": -27.0,
}  # fmt: skip
"""Loudness of an action in LUFS, where it is not the usual -23."""
PEAK = 0.7
_BLOCK = round(0.02 * RATE_HZ)


def sound_effects(scene: Scene, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Effects of the scene, float32 `(round(duration_s * rate_hz),)`; exact zeros where nothing sounds.

    The level is -30 to -18 LUFS; an ambience lies 10 to 14 dB below the loudest 20 ms of the action. Only 16 kHz.
    """
    if rate_hz != RATE_HZ:
        raise UsageError(f"effects are synthesised at {RATE_HZ} Hz, not {rate_hz} Hz")
    samples = round(scene.duration_s * RATE_HZ)
    track = np.zeros(samples)
    levels = np.random.default_rng([scene.seed, 1])
    if scene.action is not None and scene.events_s:
        track = at_loudness(
            strikes(scene.action, scene.events_s, samples, scene.seed),
            LOUDNESS.get(scene.action, -23.0) + levels.uniform(-1.5, 1.5),
        )
    if scene.ambience is not None:
        texture = surroundings(scene.ambience, samples, scene.seed)
        if track.any():
            track = track + texture * loudest(track) / loudest(texture) * 10 ** (-levels.uniform(10, 14) / 20)
        else:
            track = at_loudness(texture, -24.0 + levels.uniform(-2, 2))
    return (track * min(1.0, PEAK / max(np.abs(track).max(), 1e-9))).astype(np.float32)


def strikes(action: str, events_s: tuple[float, ...], samples: int, seed: int) -> np.ndarray:
    """One object struck at every event, `(samples,)`; the attack starts at the event's sample."""
    hit = np.random.default_rng([seed, 2])
    track = np.zeros(samples)
    for event_s in events_s:
        wave = STRIKES[action](np.random.default_rng([seed, 3]), hit)
        wave = wave / np.abs(wave).max() * np.linspace(1.0, 0.0, len(wave)) ** 0.25
        add_at(track, hit.uniform(0.65, 1.0) * wave, round(event_s * RATE_HZ))
    return track


def surroundings(name: str, samples: int, seed: int) -> np.ndarray:
    """The texture of an ambience, `(samples,)`, unit RMS, faded in and out over 20 ms."""
    texture = unit(TEXTURES[name](np.random.default_rng([seed, 4]), samples))
    fade = np.linspace(0.0, 1.0, _BLOCK)
    texture[:_BLOCK] *= fade
    texture[-_BLOCK:] *= fade[::-1]
    return texture


def at_loudness(track: np.ndarray, lufs: float) -> np.ndarray:
    """Scale to an integrated loudness (ITU-R BS.1770)."""
    measured = pyloudnorm.Meter(RATE_HZ).integrated_loudness(track)
    return track * 10 ** ((lufs - measured) / 20) if np.isfinite(measured) else unit(track) * 10 ** (lufs / 20)


def loudest(track: np.ndarray) -> float:
    """RMS of the loudest 20 ms."""
    blocks = track[: len(track) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    return float(np.sqrt(np.square(blocks).mean(axis=1).max()))
