"""Continuous sounds of the surroundings: rain, waves, wind, engine, fire, birds.

Every function gives `(samples,)` of any scale; the mix sets the level.
"""

import numpy as np

from unison_core.corpus.foley.synth import Rng, add_at, band, decay, noise, slow, times_s, unit
from unison_core.corpus.speech import RATE_HZ


def rain(rng: Rng, samples: int) -> np.ndarray:
    """Dense drops: broad bright noise, with single drops standing out."""
    bed = noise(rng, samples / RATE_HZ, rng.uniform(900, 1500), 7000)[:samples] * (0.85 + 0.3 * slow(rng, samples, 1.0))
    track = 0.7 * bed
    for _ in range(rng.poisson(rng.uniform(60, 110) * samples / RATE_HZ)):
        pitch = rng.uniform(2500, 7000)
        t = times_s(0.012)
        drop = np.exp(-t / 0.002) * np.sin(2 * np.pi * pitch * t)
        add_at(track, rng.uniform(0.8, 3.0) * drop, int(rng.integers(-100, samples)))
    return track


def waves(rng: Rng, samples: int) -> np.ndarray:
    """Surf: noise that swells and brightens, then draws back, once in two seconds or so."""
    t = np.arange(samples) / RATE_HZ
    period_s, phase = rng.uniform(1.6, 2.4), rng.uniform(0, 1)
    cycle = (t / period_s + phase) % 1.0
    swell = np.where(
        cycle < 0.45, np.sin(np.pi / 2 * cycle / 0.45) ** 2, np.cos(np.pi / 2 * (cycle - 0.45) / 0.55) ** 2
    )
    body = noise(rng, samples / RATE_HZ, 80, 600)[:samples] * (0.35 + 0.8 * swell)
    hiss = noise(rng, samples / RATE_HZ, 600, rng.uniform(2500, 3500))[:samples] * (0.03 + swell**2)
    return body + 0.8 * hiss


def wind(rng: Rng, samples: int) -> np.ndarray:
    """A howl: noise through two resonances that wander together, gusting."""
    centre_hz = rng.uniform(260, 380) * 2 ** (1.3 * (slow(rng, samples, 0.9) - 0.5))
    phase = 2 * np.pi * np.cumsum(centre_hz) / RATE_HZ
    howl = np.zeros(samples)
    for ratio, gain in ((1.0, 1.0), (1.9, 0.4)):  # noise of 30 Hz width, moved up to the wandering centre
        i, q = (band(rng.standard_normal(samples), None, 30.0 * ratio) for _ in range(2))
        howl += gain * (unit(i) * np.cos(ratio * phase) + unit(q) * np.sin(ratio * phase))
    gust = 0.35 + 0.8 * slow(rng, samples, 0.8)
    return (howl + 0.35 * noise(rng, samples / RATE_HZ, 120, 900)[:samples]) * gust


def engine(rng: Rng, samples: int) -> np.ndarray:
    """An idling motor: a pulse train with uneven cylinders over a rumble."""
    firing_hz = rng.uniform(26, 42) * (1 + 0.05 * (slow(rng, samples, 1.0) - 0.5))
    cycle = np.cumsum(firing_hz) / RATE_HZ
    cylinder = rng.uniform(0.6, 1.0, 4)[cycle.astype(int) % 4]
    pulse = cylinder * np.exp(-((cycle % 1.0) / rng.uniform(0.1, 0.16)))
    track = unit(band(pulse - pulse.mean(), 40, rng.uniform(500, 800)))
    return track + 0.25 * noise(rng, samples / RATE_HZ, 50, 250)[:samples] + 0.05 * pulse * rng.standard_normal(samples)


def fire(rng: Rng, samples: int) -> np.ndarray:
    """Crackle in clusters over a low, soft roar."""
    track = (
        0.6 * noise(rng, samples / RATE_HZ, 60, rng.uniform(350, 500))[:samples] * (0.6 + 0.6 * slow(rng, samples, 3.0))
    )
    density, spark = slow(rng, samples, 1.5), noise(rng, 1.0, 1000, 6500)
    for start in rng.integers(0, samples, rng.poisson(rng.uniform(28, 45) * samples / RATE_HZ)):
        if rng.uniform() < 0.35 + density[start]:
            part = int(rng.integers(0, len(spark) - 320))
            crack = spark[part : part + 320] * decay(0.02, rng.uniform(0.0008, 0.003), 0.0002)
            add_at(track, min(rng.lognormal(0.2, 0.6), 3.5) * crack, int(start))
    return track


def birds(rng: Rng, samples: int) -> np.ndarray:
    """Two or three birds, each with its own phrase of whistled sweeps, over faint air."""
    track = 0.04 * noise(rng, samples / RATE_HZ, 300, 3000)[:samples]
    for _ in range(int(rng.integers(2, 4))):
        pitch, sweep = rng.uniform(2300, 5200), rng.uniform(-0.35, 0.35)
        note_s, gap_s, gain = rng.uniform(0.05, 0.13), rng.uniform(0.03, 0.09), rng.uniform(0.5, 1.0)
        trill_hz, trill = rng.uniform(20, 45), rng.choice((0.0, 0.04))
        at_s = rng.uniform(-0.3, 0.4)
        while at_s < samples / RATE_HZ:
            for _ in range(int(rng.integers(2, 6))):
                t = times_s(note_s)
                freq = pitch * (1 + sweep * t / note_s + trill * np.sin(2 * np.pi * trill_hz * t))
                note = np.sin(2 * np.pi * np.cumsum(freq) / RATE_HZ) * np.sin(np.pi * t / note_s)
                add_at(track, gain * note, round(at_s * RATE_HZ))
                at_s += note_s + gap_s
            at_s += rng.uniform(0.25, 0.7)
    return track
