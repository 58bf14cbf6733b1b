"""Two stems and their sum, ready for disk: mix = speech + sfx to the sample.

Order: gains, ducking, loudness, then one common factor if any peak would pass full scale, then 16-bit rounding of the
stems; the mix is the sum of the rounded stems. Every step acts on the stems alone, so the sum holds throughout.

A stem that a user gave is not lowered: where the sum would pass full scale, the other stem gives way for a moment
(`media.limiter`). Only a sum of two given stems that clips lowers them both.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from unison_core.errors import UsageError
from unison_core.media.activity import activity
from unison_core.media.limiter import give_way
from unison_core.media.loudness import lufs
from unison_core.media.wav import FULL_SCALE, quantise
from unison_core.types import SFX, SPEECH

CEILING = (FULL_SCALE - 2) / FULL_SCALE
"""Highest peak before rounding: each of two stems may gain half a step."""

LOUDEST = (FULL_SCALE - 1) / FULL_SCALE
"""Highest sample of 16 bits."""


@dataclass(frozen=True, kw_only=True)
class MixSettings:
    """How stems become the mix."""

    speech_gain_db: float = 0.0
    sfx_gain_db: float = 0.0
    duck_db: float = 0.0
    """How far the effects are lowered while speech is active; 0 is off."""
    lufs: float | None = None
    """Integrated loudness of the mix; None leaves it as generated."""

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("speech gain", self.speech_gain_db, -60, 40),
            ("sfx gain", self.sfx_gain_db, -60, 40),
            ("duck", self.duck_db, 0, 60),
            ("lufs", -23.0 if self.lufs is None else self.lufs, -60, -5),
        ):
            if not low <= value <= high:
                raise UsageError(f"{name} {value:g} dB is outside {low}..{high}")


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Stems and mix on the 16-bit grid.

    Attributes:
        stems: float32 `(samples,)` by audio stream, multiples of 1/32768.
        mix: their sum, `(samples,)`.
        reduction_db: what peak protection took (0: nothing): from all of them, or at most from those not kept.
        kept: stems that peak protection left as they were asked for.
        gain_db: what `lufs` added to all of them, before peak protection.
    """

    stems: Mapping[str, np.ndarray]
    mix: np.ndarray
    reduction_db: float
    gain_db: float
    kept: frozenset[str] = frozenset()


def mix_stems(
    stems: Mapping[str, np.ndarray], rate_hz: int, settings: MixSettings, given: Collection[str] = ()
) -> Mixed:
    """Apply `settings` to float32 stems `(samples,)` of one length and sum them; stems `given` are not lowered."""
    gains = {SPEECH: settings.speech_gain_db, SFX: settings.sfx_gain_db}
    scaled = {stream: samples.astype(np.float64) * _factor(gains[stream]) for stream, samples in stems.items()}
    if settings.duck_db and SFX in scaled and SPEECH in scaled:
        scaled[SFX] = scaled[SFX] * _factor(-settings.duck_db * activity(scaled[SPEECH], rate_hz))
    gain_db = 0.0
    loudness = lufs(_total(scaled), rate_hz)
    if settings.lufs is not None and math.isfinite(loudness):
        gain_db = settings.lufs - loudness
        scaled = {stream: samples * _factor(gain_db) for stream, samples in scaled.items()}
    kept = frozenset(s for s in given if len(given) < len(scaled) and np.abs(scaled[s]).max(initial=0.0) <= LOUDEST)
    if kept:
        held = _total({stream: quantise(scaled[stream]) for stream in kept})
        scaled, reduction_db = give_way(scaled, held, kept, rate_hz)
        final = {stream: quantise(samples) for stream, samples in scaled.items()}
        mix = _total(final).astype(np.float32)
        return Mixed(stems=final, mix=mix, reduction_db=reduction_db, gain_db=gain_db, kept=kept)
    peak = max(float(np.abs(samples).max(initial=0.0)) for samples in (*scaled.values(), _total(scaled)))
    factor = min(1.0, CEILING / peak) if peak else 1.0
    final = {stream: quantise(samples * factor) for stream, samples in scaled.items()}
    return Mixed(
        stems=final,
        mix=_total(final).astype(np.float32),
        reduction_db=-20 * math.log10(factor) if factor < 1 else 0.0,
        gain_db=gain_db,
    )


def _total(stems: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.stack(list(stems.values())).astype(np.float64).sum(axis=0)


def _factor(db: float | np.ndarray) -> float | np.ndarray:
    return 10.0 ** (db / 20)
