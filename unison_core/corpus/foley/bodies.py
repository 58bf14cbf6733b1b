"""Struck wood, skin, metal and glass: knock, drum, bell, hammer, cymbal, glass, ball, stamp.

Every function takes two generators. `body` starts afresh for each strike and so draws the same object every time (this
door, this bell); `hit` goes on, so that no two strikes are alike. The first sample is the moment of contact.
"""

import numpy as np

from unison_core.corpus.foley.synth import Rng, decay, glide, modes, noise


def knock(body: Rng, hit: Rng) -> np.ndarray:
    """Knuckles on wood: a few low, strongly damped modes and a dull click."""
    pitch = body.uniform(190, 330)
    ratios = np.array([1.0, 1.58, 2.34, 3.1, 4.3]) * body.uniform(0.97, 1.03, 5)
    damping = body.uniform(0.022, 0.034)
    bright = hit.uniform(0.6, 1.2)
    amps = np.array([1.0, 0.8 * bright, 0.5 * bright, 0.3 * bright, 0.15 * bright])
    wave = modes(0.25, pitch * ratios, damping / np.sqrt(ratios), amps)
    return wave + 0.25 * bright * noise(hit, 0.25, 300, 1800) * decay(0.25, 0.004)


def drum(body: Rng, hit: Rng) -> np.ndarray:
    """A hand drum: a falling membrane tone with a skin slap."""
    pitch = body.uniform(85, 140)
    tau = body.uniform(0.16, 0.26)
    slap = body.uniform(0.15, 0.3) * hit.uniform(0.7, 1.3)
    bend = hit.uniform(1.35, 1.6)
    wave = glide(0.9, bend * pitch, pitch, 0.035) * decay(0.9, tau, 0.001)
    wave += 0.45 * glide(0.9, 1.59 * bend * pitch, 1.59 * pitch, 0.03) * decay(0.9, 0.6 * tau, 0.001)
    wave += 0.25 * glide(0.9, 2.14 * bend * pitch, 2.14 * pitch, 0.03) * decay(0.9, 0.4 * tau, 0.001)
    return wave + slap * noise(hit, 0.9, 500, 3000) * decay(0.9, 0.02)


def bell(body: Rng, hit: Rng) -> np.ndarray:
    """A hand bell: hum, prime, minor third, fifth and octave, which ring for about a second."""
    pitch = body.uniform(620, 1050)
    ratios = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.55, 3.01, 4.1])
    detune = body.uniform(0.995, 1.005, 8)
    tau = body.uniform(0.7, 1.1)
    bright = hit.uniform(0.7, 1.2)
    amps = np.array([0.35, 1.0, 0.6, 0.4, 0.75 * bright, 0.3 * bright, 0.3 * bright, 0.2 * bright])
    wave = modes(2.5, pitch * ratios * detune, tau / np.array([0.8, 1, 1.2, 1.5, 1.8, 2.8, 3.5, 5]), amps)
    return wave + 0.15 * noise(hit, 2.5, 2000, 6000) * decay(2.5, 0.003)


def hammer(body: Rng, hit: Rng) -> np.ndarray:
    """A hammer on a nail: bright inharmonic steel over a thud of the wood below."""
    pitch = body.uniform(1900, 2700)
    ratios = np.array([1.0, 1.37, 1.91, 2.46, 3.02]) * body.uniform(0.98, 1.02, 5)
    tau = body.uniform(0.035, 0.06)
    thud = body.uniform(110, 160)
    amps = np.array([1.0, 0.7, 0.8, 0.5, 0.3]) * hit.uniform(0.7, 1.3, 5)
    wave = modes(0.35, pitch * ratios, tau / np.sqrt(ratios), amps)
    wave += 1.1 * modes(0.35, (thud, 2.3 * thud), (0.03, 0.02), (1.0, 0.6))
    return wave + 0.5 * noise(hit, 0.35, 1500, 7000) * decay(0.35, 0.004)


def ball(body: Rng, hit: Rng) -> np.ndarray:
    """An inflated ball: a short low thump whose air rings at about twice and five times its pitch."""
    pitch = body.uniform(58, 80)
    ring = body.uniform(430, 620)
    amount = hit.uniform(0.25, 0.4)
    wave = glide(0.4, 1.8 * pitch, pitch, 0.02) * decay(0.4, 0.045, 0.002)
    wave += amount * modes(0.4, (ring, 2.01 * ring, 3.03 * ring), (0.07, 0.05, 0.03), (1.0, 0.5, 0.25))
    return wave + 0.2 * noise(hit, 0.4, None, 900) * decay(0.4, 0.008)


def glass(body: Rng, hit: Rng) -> np.ndarray:
    """A spoon on a wine glass: few, high, almost pure partials that beat slowly."""
    pitch = body.uniform(2000, 2700)
    split = body.uniform(1.001, 1.003)
    tau = body.uniform(0.3, 0.5)
    bright = hit.uniform(0.7, 1.3)
    freqs = (pitch, pitch * split, pitch * 2.32, pitch * 2.95)
    wave = modes(1.5, freqs, (tau, tau, 0.4 * tau, 0.25 * tau), (1.0, 0.6, 0.35 * bright, 0.2 * bright))
    return wave + 0.3 * noise(hit, 1.5, 4000, 7500) * decay(1.5, 0.002)


def cymbal(body: Rng, hit: Rng) -> np.ndarray:
    """A crash: dense high noise with a shimmer of inharmonic partials and a long tail."""
    low = body.uniform(2800, 3600)
    tau = body.uniform(0.4, 0.65)
    freqs = body.uniform(1800, 7000, 24)
    rise = hit.uniform(0.8, 1.2)
    wave = 0.8 * noise(hit, 2.0, low, 7600) * decay(2.0, tau, 0.002)
    wave += 0.5 * noise(hit, 2.0, 1200, 4000) * decay(2.0, 0.25 * tau, 0.001) * rise
    return wave + 0.15 * modes(2.0, freqs, np.full(24, 0.8 * tau), body.uniform(0.3, 1.0, 24))


def stamp(body: Rng, hit: Rng) -> np.ndarray:
    """A rubber stamp: a dead thump with paper crunch, then the spring that lifts it back."""
    pitch = body.uniform(70, 105)
    spring = body.uniform(1100, 1600)
    back_s = body.uniform(0.09, 0.13) * hit.uniform(0.95, 1.05)
    wave = 0.8 * glide(0.4, 1.5 * pitch, pitch, 0.01) * decay(0.4, 0.022, 0.0015)
    wave += 0.5 * noise(hit, 0.4, 150, 1000) * decay(0.4, 0.016)
    start = round(back_s * 16000)
    creak = 0.35 * modes(0.2, (spring, 1.7 * spring, 2.6 * spring), (0.018, 0.012, 0.008), (1.0, 0.7, 0.4))
    creak += 0.12 * noise(hit, 0.2, 1500, 5000) * decay(0.2, 0.012)
    wave[start : start + len(creak)] += creak[: len(wave) - start]
    return wave
