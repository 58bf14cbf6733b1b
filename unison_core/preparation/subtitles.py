"""Timed text beside a media file: SubRip (`.srt`) and WebVTT (`.vtt`)."""

import html
import re
from dataclasses import dataclass

ARROW = re.compile(r"^\s*((?:\d+:)?\d+:\d+[.,]\d+)\s+-->\s+((?:\d+:)?\d+:\d+[.,]\d+)")
TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Words and when they are said, in seconds of the recording; `voice` is who says them, where that is known."""

    start_s: float
    end_s: float
    text: str
    voice: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(f"segment from {self.start_s:g} to {self.end_s:g} s: start must come before end")


def parse_subtitles(text: str) -> tuple[Segment, ...]:
    """Segments in order of their start; those without words are left out. Raises ValueError for none at all."""
    found = []
    for block in re.split(r"\n\s*\n", text.replace("\r", "").lstrip("\ufeff")):
        lines = block.split("\n")
        for number, line in enumerate(lines):
            times = ARROW.match(line)
            if times:
                words = " ".join(html.unescape(TAG.sub("", part)).strip() for part in lines[number + 1 :]).strip()
                if words:
                    found.append(Segment(start_s=_seconds(times[1]), end_s=_seconds(times[2]), text=words))
                break
    if not found:
        raise ValueError("no subtitle with a time was found")
    return tuple(sorted(found, key=lambda segment: segment.start_s))


def _seconds(stamp: str) -> float:
    seconds = 0.0
    for part in stamp.replace(",", ".").split(":"):
        seconds = 60 * seconds + float(part)
    return seconds
