"""Small clips whose truth is planted: a block that jumps when a burst of noise begins, before what may drift."""

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from unison_core.media.mp4 import write_mp4
from unison_core.media.wav import write_wav

FPS, RATE_HZ, SECONDS = 25.0, 16000, 4.0


def moments(seed: int, count: int = 5) -> np.ndarray:
    """Moments of contact in s, each in the middle of a picture's time."""
    rng = np.random.default_rng(seed)
    contacts = np.cumsum(rng.uniform(0.45, 0.7, size=count)) + 0.1
    return (np.floor(contacts * FPS) + 0.5) / FPS


def picture(events_s: np.ndarray, *, drift: float = 0.0, size: int = 64, seconds: float = SECONDS) -> np.ndarray:
    """Pictures of a block that jumps to the other side at each event; the background moves `drift` pixels a picture."""
    count = round(seconds * FPS)
    texture = gaussian_filter(np.random.default_rng(7).normal(size=(size, size * 5)), 2)
    texture = (texture - texture.min()) / np.ptp(texture) * 200 + 20
    side = np.zeros(count, dtype=int)
    for event_s in events_s:
        side[int(event_s * FPS) :] ^= 1
    frames = np.empty((count, size, size, 3), dtype=np.uint8)
    for i, (frame, right) in enumerate(zip(frames, side, strict=True)):
        frame[:] = texture[:, int(drift * i) : int(drift * i) + size, None]
        left = size // 8 + size // 2 * right
        frame[size * 5 // 8 : size * 7 // 8, left : left + size // 4] = 30
    return frames


def sound(events_s: np.ndarray, *, offset_s: float = 0.0, seed: int = 0, seconds: float = SECONDS) -> np.ndarray:
    """Bursts of decaying noise at the events, shifted, over faint noise."""
    rng = np.random.default_rng(seed)
    wave = 1e-3 * rng.normal(size=round(seconds * RATE_HZ))
    for start in (round((event_s + offset_s) * RATE_HZ) for event_s in events_s):
        burst = 0.2 * rng.normal(size=3000) * np.exp(-np.arange(3000) / 600)
        if 0 <= start < len(wave):
            wave[start : start + 3000] += burst[: len(wave) - start]
    return np.clip(wave, -0.99, 0.99).astype(np.float32)


def write_clip(
    folder: Path, name: str, *, seed: int = 0, offset_s: float = 0.0, stems: bool = False, seconds: float = 2.0
) -> Path:
    """`NAME.mp4` of a small clip, with `NAME.speech.wav` and `NAME.sfx.wav` if asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    events_s = moments(seed)
    effects = sound(events_s, offset_s=offset_s, seed=seed, seconds=seconds)
    speech = 0.1 * np.sin(2 * np.pi * 220 * np.arange(len(effects)) / RATE_HZ).astype(np.float32)
    speech *= np.arange(len(effects)) < len(effects) / 2
    mix = folder / f".{name}.mix.wav"
    write_wav(mix, np.clip(effects + (speech if stems else 0), -0.99, 0.99), RATE_HZ)
    if stems:
        write_wav(folder / f"{name}.sfx.wav", effects, RATE_HZ)
        write_wav(folder / f"{name}.speech.wav", speech, RATE_HZ)
    write_mp4(folder / f"{name}.mp4", picture(events_s, size=32, seconds=seconds), FPS, mix, {})
    mix.unlink()
    return folder / f"{name}.mp4"
