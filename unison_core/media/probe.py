"""What a media file holds, from ffmpeg's own description of it: streams, length, rates, rotation, transfer."""

import re
from dataclasses import dataclass
from pathlib import Path

from unison_core.errors import UsageError
from unison_core.media import ffmpeg

HDR = ("smpte2084", "arib-std-b67")
"""Transfer functions of high dynamic range: PQ and HLG."""
ALPHA = re.compile(r"\b(rgba|bgra|argb|abgr|ya8|ya16|pal8|gbrap|yuva|rgba64|bgra64|gbraph?f?)\w*\b")

COUNTED_S = 60
"""Longest picture whose packets are counted."""


@dataclass(frozen=True, kw_only=True)
class VideoStream:
    """The first video stream, cover pictures of sound files not counted.

    Attributes:
        codec: ffmpeg's name.
        width, height: as stored, before rotation.
        fps: average frames per second; None where the file does not say.
        hdr: high dynamic range (PQ or HLG).
        alpha: the picture may be transparent.
        index: among the file's video streams.
    """

    codec: str
    width: int
    height: int
    fps: float | None
    hdr: bool
    alpha: bool
    index: int


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """A file's first streams of each kind; None where it has none.

    Attributes:
        duration_s: length that the container states; None where it states none.
        audio_rate_hz: sample rate of the first audio stream.
    """

    duration_s: float | None
    video: VideoStream | None
    audio_rate_hz: int | None


def probe(path: Path) -> MediaInfo:
    """Describe a file; raises UsageError where it is missing or nothing that ffmpeg reads."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    text = ffmpeg.describe(path)
    if "Input #0" not in text:
        lines = text.strip().splitlines() or ["it is empty"]
        raise UsageError(f"{path} is no media file that can be read: {lines[-1].removeprefix(f'{path}: ')}")
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text)
    duration_s = int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3]) if length else None
    rate = re.search(r"Stream #0:.*Audio: .*?(\d+) Hz", text)
    return MediaInfo(duration_s=duration_s, video=_video(text), audio_rate_hz=int(rate[1]) if rate else None)


def picture_length_s(path: Path, stream: VideoStream) -> float | None:
    """Length of the picture alone, from its packets' times, without decoding; None where it is a minute or more.

    A container states the length of its longest stream, which is often a little more of sound.
    """
    rows = ffmpeg.run(
        ["-t", f"{COUNTED_S}", "-i", str(path), "-map", f"0:v:{stream.index}", "-c", "copy", "-f", "framehash", "-"]
    ).decode()
    base = re.search(r"#tb 0: (\d+)/(\d+)", rows)
    packets = [[int(x) for x in row.split(",")[1:4]] for row in rows.splitlines() if row and row[0] != "#"]
    if not base or not packets:
        return None
    ticks = max(pts + duration for _, pts, duration in packets) - min(pts for _, pts, _ in packets)
    length_s = ticks * int(base[1]) / int(base[2])
    return length_s if length_s < COUNTED_S - 1 else None


def _video(text: str) -> VideoStream | None:
    lines = re.findall(r"Stream #0:.*Video: (.*)", text)
    for index, line in enumerate(lines):
        size = re.search(r"\b(\d{1,5})x(\d{1,5})\b", line)
        if "attached pic" in line or size is None:
            continue
        fps = re.search(r"([\d.]+) fps", line)
        return VideoStream(
            codec=line.split()[0].strip(","),
            width=int(size[1]),
            height=int(size[2]),
            fps=float(fps[1]) if fps else None,
            hdr=any(name in line for name in HDR),
            alpha=ALPHA.search(line) is not None,
            index=index,
        )
    return None
