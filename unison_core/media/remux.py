"""A picture that was given, with new sound: its stream is copied as it is where the MP4 container takes it.

A copy starts where the file starts, since a stream can only be cut before a frame that stands alone: a clip from the
middle is encoded again, and so is a codec that MP4 has no place for. `Muxed` says which of the two was done.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unison_core.errors import UnisonError
from unison_core.media import ffmpeg
from unison_core.media.pictures import ON_WHITE, TONE_MAP, video_stream

COPIED = "copied"
ENCODE = ("-c:v", "libx264", "-preset", "fast", "-crf", "16", "-pix_fmt", "yuv420p")


@dataclass(frozen=True, kw_only=True)
class SourcePicture:
    """The part of a video file that a clip shows.

    Attributes:
        path: the file.
        start_s, duration_s: where the part begins, and its length.
    """

    path: Path
    start_s: float
    duration_s: float


def mux_with_sound(
    path: Path, source: SourcePicture, wav: Path, record: Callable[[str], Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Write the source's picture and the sound of `wav` as an MP4.

    Args:
        path: the file to write; it must not exist.
        source: picture.
        wav: sound of the same length.
        record: gives the record to embed when told what was done to the picture: `copied`, or `encoded again: ...`.

    Returns:
        The record that was embedded.

    Raises:
        UnisonError: ffmpeg failed; `path` is then not written or incomplete.
    """
    stream = video_stream(source.path)
    picked = ["-map", f"0:v:{stream.index}", "-map", "1:a", "-map_chapters", "-1"]
    if not source.start_s:
        try:
            told = record(COPIED)
            _mux(path, source, wav, told, [*picked, "-c:v", "copy"])
            return told
        except UnisonError as error:
            if "No space left" in str(error):
                raise
            path.unlink(missing_ok=True)
            why = f"MP4 does not take {stream.codec}"
    else:
        why = f"it begins at {source.start_s:g} s of the file"
    told = record(f"encoded again: {why}")
    filters = [TONE_MAP] * stream.hdr + [ON_WHITE] * stream.alpha + ["pad=ceil(iw/2)*2:ceil(ih/2)*2:color=black"]
    _mux(path, source, wav, told, [*picked, "-vf", ",".join(filters), *ENCODE])
    return told


def _mux(path: Path, source: SourcePicture, wav: Path, record: Mapping[str, Any], output: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tags = Path(folder) / "tags.txt"
        ffmpeg.write_tags(tags, {"comment": json.dumps(record, ensure_ascii=False, separators=(",", ":"))})
        begin = ["-ss", f"{source.start_s:.6f}"] if source.start_s else []
        ffmpeg.run([
            *begin, "-t", f"{source.duration_s:.6f}", "-i", str(source.path), "-i", str(wav),
            "-f", "ffmetadata", "-i", str(tags), *output, "-map_metadata", "2",
            "-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart+use_metadata_tags", str(path),
        ])  # fmt: skip
