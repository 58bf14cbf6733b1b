"""What is measured on every output, and what is worth a warning: silence, clipping, length, a frozen picture."""

import math
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from unison_core.media.loudness import SILENT_LUFS, lufs
from unison_core.media.mix import Mixed, MixSettings
from unison_core.pipelines.request import ClipSpec
from unison_core.types import AUDIO_STREAMS, SFX, SPEECH

FROZEN = 0.05
"""Mean change of a pixel between frames (of 255) under which a picture stands still."""
LOUDNESS_MISS_LU = 0.5


@dataclass(frozen=True, kw_only=True)
class Check:
    """One figure and whether it is as it should be.

    Attributes:
        name: what was measured.
        value: the figure; None stands for silence (-inf LUFS).
        passed: False is a warning.
        message: one line for the user, with the figure.
    """

    name: str
    value: float | None
    passed: bool
    message: str

    def to_mapping(self) -> dict[str, object]:
        """JSON data."""
        return asdict(self)


def check_outputs(spec: ClipSpec, frames: np.ndarray, fps: float, mixed: Mixed, rate_hz: int) -> tuple[Check, ...]:
    """Measure a clip against its completed spec."""
    return (
        *_loudness(spec, mixed, rate_hz),
        _clipping(mixed),
        *_target(spec.mix, mixed, rate_hz),
        _length(spec, frames, fps, mixed, rate_hz),
        _motion(frames),
    )


def _loudness(spec: ClipSpec, mixed: Mixed, rate_hz: int) -> list[Check]:
    levels = {stream: lufs(mixed.stems[stream], rate_hz) for stream in AUDIO_STREAMS} | {
        "mix": lufs(mixed.mix, rate_hz)
    }
    made = SPEECH not in spec.given.stems
    wrong = {
        SPEECH: "the speech stem is silent, though a transcript was given" if spec.transcript and made else "",
        SFX: "",
        "mix": "the clip is silent",
    }
    checks = []
    for name, level in levels.items():
        silent = level < SILENT_LUFS
        passed = not (silent and wrong[name])
        message = (
            f"{name} {_lufs(level)}" if passed else f"{wrong[name]} ({_lufs(level)}, silence is under {SILENT_LUFS:g})"
        )
        if name == SPEECH and not spec.transcript and not silent and made:
            passed, message = (
                False,
                f"something is heard in the speech stem ({_lufs(level)}), though nobody should speak",
            )
        checks.append(Check(name=f"{name}_lufs", value=_finite(level), passed=passed, message=message))
    return checks


def _clipping(mixed: Mixed) -> Check:
    passed = mixed.reduction_db == 0
    message = "no peak over full scale" if passed else (
        f"peaks passed full scale: stems and mix were lowered by {mixed.reduction_db:.2g} dB"
        if not mixed.kept
        else f"peaks passed full scale: the generated stem gave way by up to {mixed.reduction_db:.2g} dB"
    )  # fmt: skip
    return Check(name="peak_reduction_db", value=round(mixed.reduction_db, 3), passed=passed, message=message)


def _target(settings: MixSettings, mixed: Mixed, rate_hz: int) -> list[Check]:
    if settings.lufs is None:
        return []
    level = lufs(mixed.mix, rate_hz)
    passed = abs(level - settings.lufs) <= LOUDNESS_MISS_LU
    message = f"mix {_lufs(level)}, asked for {settings.lufs:g}" + ("" if passed else ": its peaks allow no more")
    if not math.isfinite(level):
        message = f"a silent mix cannot be brought to {settings.lufs:g} LUFS"
    return [Check(name="lufs_error", value=_finite(level - settings.lufs), passed=passed, message=message)]


def _length(spec: ClipSpec, frames: np.ndarray, fps: float, mixed: Mixed, rate_hz: int) -> Check:
    shown, heard = len(frames) / fps, len(mixed.mix) / rate_hz
    passed = abs(shown - spec.duration_s) <= 0.5 / fps and abs(heard - shown) <= 1 / rate_hz
    message = f"picture {shown:.3f} s, sound {heard:.3f} s, asked for {spec.duration_s:.3f} s"
    return Check(name="length_s", value=shown, passed=passed, message=message)


def _motion(frames: np.ndarray) -> Check:
    changes = [np.abs(b - a).mean() for a, b in pairwise(x[::2, ::2].astype(np.int16) for x in frames)]  # fits caches
    change = float(np.mean(changes)) if changes else 0.0
    passed = len(frames) == 1 or change >= FROZEN
    message = (
        f"mean change between frames {change:.2f} of 255"
        if passed
        else f"the picture stands still ({change:.3f} of 255)"
    )
    return Check(name="motion", value=round(change, 4), passed=passed, message=message)


def _lufs(level: float) -> str:
    return f"{level:.1f} LUFS" if math.isfinite(level) else "no signal"


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
