"""Where a recording is cut into clips: never inside a sentence whose times are known.

Lengths are min, min + step, ..., at most max frames: few, so that batches of one length fill. A recording with words
but no times stays whole, to the last 4k+1 frames.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unison_core.preparation.reasons import Rejected
from unison_core.preparation.sources import Source
from unison_core.preparation.subtitles import Segment
from unison_core.timing import Timing

LEAD_S = 0.25
"""Quiet kept before a sentence where there is some."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Allowed lengths in pixel frames, all of them 4k+1.

    Attributes:
        shortest, longest: the ends. step: between two lengths, a multiple of the temporal stride.
    """

    timing: Timing
    shortest: int
    longest: int
    step: int = 12

    def __post_init__(self) -> None:
        stride = self.timing.temporal_stride
        if self.step % stride or (self.shortest - 1) % stride or (self.longest - 1) % stride:
            raise ValueError(f"lengths {self.shortest} to {self.longest} by {self.step} are not all {stride}k+1")
        if not 1 <= self.shortest <= self.longest:
            raise ValueError(f"shortest clip {self.shortest} is longer than the longest, {self.longest} frames")

    def fitting(self, seconds: float, *, exact: bool = False) -> int:
        """The longest allowed length within `seconds`, 0 where there is none; `exact` allows every 4k+1."""
        held = min(math.floor(seconds * self.timing.fps + 1e-6), self.longest)
        if held < self.shortest:
            return 0
        if held == self.longest:
            return held
        step = self.timing.temporal_stride if exact else self.step
        return self.shortest + (held - self.shortest) // step * step

    def seconds(self, frames: int) -> float:
        """Length of `frames`."""
        return frames / self.timing.fps


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A clip of a recording.

    Attributes:
        start_s: in the recording. frames: its length.
        transcript: its words; empty where nobody speaks, None where nothing says.
        span_s: from the clip's start, when they are spoken; None where nothing says.
        voice: who speaks.
    """

    start_s: float
    frames: int
    transcript: str | None
    span_s: tuple[float, float] | None = None
    voice: str | None = None


def cut(source: Source, duration_s: float, lengths: Lengths, *, transcribed: bool = False) -> Iterator[Cut | Rejected]:
    """Clips of a recording in order, and reasons for what is left out.

    Args:
        source: what is known of it.
        duration_s: of the recording.
        lengths: allowed ones.
        transcribed: the words will be read from the clips, so that words without times need not be kept whole.
    """
    start_s = source.start_s or 0.0
    end_s = min(duration_s, source.end_s if source.end_s is not None else duration_s)
    if source.segments is not None:
        yield from _between_sentences(source.segments, start_s, end_s, lengths, source.voice)
    elif source.transcript is None or (transcribed and lengths.seconds(lengths.longest) < end_s - start_s):
        yield from _evenly(start_s, end_s, lengths, None, source.voice)
    elif not source.transcript.strip():
        yield from _evenly(start_s, end_s, lengths, "", source.voice)
    elif end_s - start_s >= lengths.seconds(lengths.longest + lengths.timing.temporal_stride):
        yield Rejected("untimed_words", f"{end_s - start_s:.1f} s of words without times do not fit into one clip")
    else:
        frames = lengths.fitting(end_s - start_s, exact=True)
        if frames:
            yield Cut(start_s=start_s, frames=frames, transcript=source.transcript, span_s=source.span_s,
                      voice=source.voice)  # fmt: skip
        else:
            yield _too_short(end_s - start_s)


def _evenly(
    start_s: float, end_s: float, lengths: Lengths, transcript: str | None, voice: str | None
) -> Iterator[Cut | Rejected]:
    first = start_s
    while (frames := lengths.fitting(end_s - start_s)) > 0:
        yield Cut(start_s=start_s, frames=frames, transcript=transcript, voice=voice)
        start_s += lengths.seconds(frames)
    if start_s == first:
        yield _too_short(end_s - start_s)


def _between_sentences(
    segments: Sequence[Segment], position_s: float, end_s: float, lengths: Lengths, voice: str | None
) -> Iterator[Cut | Rejected]:
    longest_s = lengths.seconds(lengths.longest)
    left = [s for s in segments if position_s <= s.start_s and s.end_s <= end_s + 0.05]
    while position_s < end_s:
        upcoming = left[0].start_s if left else end_s
        if not left or upcoming - position_s >= longest_s:  # nobody speaks for a whole clip
            frames = lengths.fitting(upcoming - position_s)
            if not frames:
                return
            yield Cut(start_s=position_s, frames=frames, transcript="")
            position_s += lengths.seconds(frames)
            continue
        start_s = max(position_s, upcoming - LEAD_S)
        taken = [s for s in left if s.end_s - start_s <= longest_s]
        taken = left[: next((i for i, s in enumerate(left) if s not in taken), len(left))]
        if not taken:
            yield Rejected("long_sentence", f"a sentence of {left[0].end_s - left[0].start_s:.1f} s fits into no clip")
            position_s = max(position_s, left.pop(0).end_s)
            continue
        left = left[len(taken) :]
        said_s = max(s.end_s for s in taken) - start_s
        room_s = min(start_s + longest_s, end_s, left[0].start_s if left else end_s) - start_s
        frames = next((f for f in (lengths.fitting(room_s), lengths.fitting(room_s, exact=True))
                       if lengths.seconds(f) >= said_s), 0)  # fmt: skip
        if frames:
            yield _spoken(taken, start_s, frames, voice)
            position_s = start_s + lengths.seconds(frames)
        else:
            yield Rejected("cut_speech", f"no clip holds the words at {start_s:.1f} s whole")
            position_s = start_s + said_s
        left = [s for s in left if s.start_s >= position_s - 1e-6]


def _spoken(taken: Sequence[Segment], start_s: float, frames: int, voice: str | None) -> Cut:
    voices = {s.voice for s in taken}
    heard = next(iter(voices)) if len(voices) == 1 else None
    return Cut(
        start_s=start_s, frames=frames, transcript=" ".join(s.text.strip() for s in taken),
        span_s=(round(taken[0].start_s - start_s, 4), round(max(s.end_s for s in taken) - start_s, 4)),
        voice=heard or (voice if len(voices) == 1 else None),
    )  # fmt: skip


def _too_short(seconds: float) -> Rejected:
    return Rejected("length", f"{seconds:.2f} s are too short")
