"""Sounds of handled things, made of air and mechanism: clap, keyboard, maraca, scissors, horn, camera.

The two generators are those of `bodies`: `body` draws the thing, `hit` the single gesture.
"""

import numpy as np

from unison_core.corpus.foley.synth import Rng, add_at, band, decay, modes, noise, slow, times_s, unit
from unison_core.corpus.speech import RATE_HZ


def clap(body: Rng, hit: Rng) -> np.ndarray:
    """Two hands: a few overlapping bursts of mid-band noise within 8 ms, and a short tail."""
    centre = body.uniform(1000, 1500) * hit.uniform(0.93, 1.07)
    wave = np.zeros(round(0.3 * RATE_HZ))
    for delay_s, gain in ((0.0, 1.0), (hit.uniform(0.002, 0.004), 0.8), (hit.uniform(0.005, 0.008), 0.9)):
        burst = gain * noise(hit, 0.2, 0.6 * centre, 1.9 * centre) * decay(0.2, 0.006)
        add_at(wave, burst, round(delay_s * RATE_HZ))
    return wave + 0.3 * noise(hit, 0.3, 0.5 * centre, 2.2 * centre) * decay(0.3, 0.03)


def keyboard(body: Rng, hit: Rng) -> np.ndarray:
    """One key: the click of the press, the bottom a moment later, a softer release."""
    pitch = body.uniform(2600, 3600) * hit.uniform(0.9, 1.1)
    wave = np.zeros(round(0.16 * RATE_HZ))
    release_s = hit.uniform(0.07, 0.1)
    for delay_s, gain, tone in ((0.0, 1.0, 1.0), (0.008, 0.7, 0.6), (release_s, 0.35, 1.15)):
        click = modes(
            0.05, (tone * pitch, 1.63 * tone * pitch, 0.31 * tone * pitch), (0.003, 0.002, 0.006), (1, 0.6, 0.5)
        )
        click += 0.5 * noise(hit, 0.05, 1500, 6500) * decay(0.05, 0.002)
        add_at(wave, gain * click, round(delay_s * RATE_HZ))
    return wave


def maraca(body: Rng, hit: Rng) -> np.ndarray:
    """Seeds against the wall: many tiny grains of high noise whose density rises fast and falls within 60 ms."""
    low = body.uniform(4200, 5200)
    tau = body.uniform(0.022, 0.034)
    grains = np.zeros(round(0.22 * RATE_HZ))
    at = np.minimum(hit.exponential(tau, 90) * RATE_HZ, len(grains) - 1).astype(int)
    np.add.at(grains, at, hit.normal(0.0, 1.0, 90))
    grains[:40] += hit.normal(0.0, 1.0, 40) * np.linspace(0.2, 1.0, 40)
    return band(grains, low, 7600)


def scissors(body: Rng, hit: Rng) -> np.ndarray:
    """Blades that close: a bright snap, then the metallic rasp of their drawing apart."""
    pitch = body.uniform(3300, 4300)
    open_s = body.uniform(0.1, 0.14) * hit.uniform(0.95, 1.05)
    t = times_s(open_s)
    rasp = noise(hit, open_s, 2200, 7000) * np.sin(np.pi * t / open_s)
    rasp *= 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * (150 - 300 * t) * t))
    wave = modes(0.22, (pitch, 1.52 * pitch, 0.63 * pitch), (0.03, 0.02, 0.015), (1.0, 0.6, 0.5))
    wave += noise(hit, 0.22, 3000, 7500) * decay(0.22, 0.004)
    add_at(wave, 0.3 * rasp, round(0.035 * RATE_HZ))
    return wave


def horn(body: Rng, hit: Rng) -> np.ndarray:
    """A squeezed bulb horn: a nasal reed tone that holds, then sags as the air runs out."""
    pitch = body.uniform(260, 380)
    length_s = hit.uniform(0.28, 0.4)
    resonance = body.uniform(900, 1300)
    t = times_s(length_s + 0.06)
    held = np.clip((length_s - t) / 0.06 + 1, 0, 1) * np.minimum(t / 0.004, 1)
    freq = pitch * (1 - 0.12 * np.clip((t - length_s + 0.1) / 0.16, 0, 1)) * (1 + 0.01 * np.sin(2 * np.pi * 30 * t))
    phase = 2 * np.pi * np.cumsum(freq) / RATE_HZ
    reed = sum(np.sin(k * phase) / k**0.6 for k in range(1, 15))
    return unit(reed + 2.0 * band(reed, 0.75 * resonance, 1.3 * resonance)) * held


def camera(body: Rng, hit: Rng) -> np.ndarray:
    """A shutter: it opens and closes with two clacks, then a small motor winds on."""
    pitch = body.uniform(1500, 2100)
    open_s = body.uniform(0.055, 0.08)
    whirr_hz = body.uniform(480, 700)
    wave = np.zeros(round(0.5 * RATE_HZ))
    for delay_s, gain in ((0.0, 1.0), (open_s, 0.8)):
        clack = modes(
            0.06, (pitch, 1.71 * pitch, 2.9 * pitch, 0.4 * pitch), (0.007, 0.005, 0.004, 0.008), (1, 0.8, 0.6, 0.6)
        )
        clack += 0.6 * noise(hit, 0.06, 1200, 6000) * decay(0.06, 0.005)
        add_at(wave, gain * clack, round(delay_s * RATE_HZ))
    t = times_s(0.3)
    hum = sum(np.sin(2 * np.pi * k * whirr_hz * (t + 0.25 * t * t)) / k for k in range(1, 7))
    hum = (hum + 0.7 * noise(hit, 0.3, 1500, 5000)) * np.sin(np.pi * t / 0.3) * (0.8 + 0.2 * slow(hit, len(t), 12))
    add_at(wave, 0.3 * hum, round((open_s + 0.03) * RATE_HZ))
    return wave
