"""Why a clip or a recording is left out, and by which limits."""

from dataclasses import dataclass

import numpy as np

from unison_core.media.activity import FLOOR_DB, levels_db
from unison_core.media.loudness import lufs

UNREADABLE = "unreadable"
"""The one reason that is a fault of the input; all others are filters."""


class Rejected(Exception):
    """A clip or recording that is left out.

    Attributes:
        reason: a word that is counted.
        source: name of the recording.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.source = ""


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """What clips must be."""

    min_side: int = 0
    """Shorter side of the picture as stored, in pixels; smaller ones are left out (`resolution`)."""
    min_lufs: float = -45.0
    """Loudness of the mix under which a clip is left out (`quiet`)."""
    max_lufs: float = -5.0
    """Loudness over which it is (`loud`)."""
    max_silence: float = 0.9
    """Largest share of a clip under -55 dBFS (`silence`)."""
    max_phonemes: int = 96
    """Longest transcript, in tokens (`many_words`); training pads to as many."""
    speech_lufs: float = -40.0
    """A speech stem louder than this speaks: it is left out where nothing says what (`no_words`)."""
    require: tuple[str, ...] = ()
    """`caption`, `transcript` or both: clips without are left out (`no_caption`, `no_words`)."""

    def __post_init__(self) -> None:
        if self.min_lufs >= self.max_lufs:
            raise ValueError(f"min_lufs={self.min_lufs} must be below max_lufs={self.max_lufs}")
        if not 0 <= self.max_silence <= 1:
            raise ValueError(f"max_silence={self.max_silence} is a share of the clip")
        unknown = sorted(set(self.require) - {"caption", "transcript"})
        if unknown:
            raise ValueError(f"require={unknown[0]!r} is neither 'caption' nor 'transcript'")


def check_size(width: int, height: int, config: FilterConfig) -> None:
    """Raise Rejected for a picture that is too small."""
    if min(width, height) < config.min_side:
        raise Rejected("resolution", f"{width}x{height} is smaller than {config.min_side} pixels")


def check_sound(mix: np.ndarray, rate_hz: int, config: FilterConfig) -> None:
    """Raise Rejected for a mix `(samples,)` that is too silent, too quiet or too loud."""
    silent = float(np.mean(levels_db(mix, rate_hz) < FLOOR_DB)) if mix.size else 1.0
    if silent > config.max_silence:
        raise Rejected("silence", f"{silent:.0%} of it is silent")
    loudness = lufs(mix, rate_hz)
    if loudness < config.min_lufs:
        raise Rejected("quiet", f"{loudness:.1f} LUFS")
    if loudness > config.max_lufs:
        raise Rejected("loud", f"{loudness:.1f} LUFS")


def check_words(
    transcript: str | None, caption: str | None, speech: np.ndarray, rate_hz: int, config: FilterConfig
) -> None:
    """Raise Rejected where words and speech stem `(samples,)` contradict each other, or a required text is missing."""
    if "caption" in config.require and not (caption or "").strip():
        raise Rejected("no_caption", "it has no caption")
    spoken = lufs(speech, rate_hz)
    if not (transcript or "").strip():
        if "transcript" in config.require:
            raise Rejected("no_words", "it has no transcript")
        if transcript is None and spoken > config.speech_lufs:
            raise Rejected("no_words", f"somebody speaks ({spoken:.1f} LUFS), and nothing says what")
    elif spoken == -np.inf:
        raise Rejected("unspoken", "it has a transcript, and its speech stem is silent")
