"""Random stretches of audio stems: mostly where something sounds, sometimes silence, at random loudness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK_S = 0.05
QUIET = 1e-3
"""A block whose peak is below this (-60 dBFS) counts as silent."""


@dataclass(frozen=True)
class Stem:
    """A waveform `(samples,)` and the first samples of the blocks in which something sounds."""

    wave: Tensor
    sounding: np.ndarray


@dataclass(frozen=True, kw_only=True)
class SegmentConfig:
    """How stretches are drawn."""

    seconds: float = 1.0
    """Length, rounded to whole latents."""
    anywhere: float = 0.1
    """Share of stretches taken from any place, silent ones included."""
    silence: float = 0.03
    """Share of stretches that are digital silence."""
    gain_db: tuple[float, float] = (-12.0, 3.0)
    """Range of random gains; what would clip is held at full scale."""


def split_stems(stems: Mapping[str, np.ndarray], rate_hz: int) -> list[Stem]:
    """The stems of a clip that hold any sound."""
    found = []
    for wave in stems.values():
        block = round(BLOCK_S * rate_hz)
        peaks = np.abs(wave[: len(wave) // block * block]).reshape(-1, block).max(axis=1)
        sounding = np.flatnonzero(peaks > QUIET) * block
        if len(sounding):
            found.append(Stem(torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32)), sounding))
    return found


def draw_segments(
    entries: Sequence[Sequence[Stem]], length: int, config: SegmentConfig, generator: torch.Generator
) -> Tensor:
    """One stretch `(length,)` of a random stem of each entry, with a random gain: `(B, length)`.

    Args:
        entries: stems of each clip; none is empty.
        length: samples; shorter stems are continued by silence.
        generator: a CPU generator.
    """
    draws = torch.rand(len(entries), 5, generator=generator, dtype=torch.float64).tolist()
    segments = [_segment(stems, length, config, *row) for stems, row in zip(entries, draws, strict=True)]
    return torch.stack(segments).clamp(-1, 1)


def _segment(
    stems: Sequence[Stem], length: int, config: SegmentConfig, which: float, kind: float, place: float, ahead: float,
    loudness: float,
) -> Tensor:  # fmt: skip
    if kind < config.silence:
        return torch.zeros(length)
    stem = stems[int(which * len(stems))]
    last = max(len(stem.wave) - length, 0)
    if kind < config.silence + config.anywhere:
        start = round(place * last)
    else:
        start = min(max(int(stem.sounding[int(place * len(stem.sounding))]) - round(ahead * length), 0), last)
    low, high = config.gain_db
    segment = stem.wave[start : start + length] * 10 ** ((low + loudness * (high - low)) / 20)
    return F.pad(segment, (0, length - len(segment)))
