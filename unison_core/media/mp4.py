"""Video with sound as one file: H.264 (yuv420p) and AAC in MP4, and the record of its making in the comment tag."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unison_core.errors import UnisonError, UsageError
from unison_core.media import ffmpeg


def write_mp4(path: Path, frames: np.ndarray, fps: float, wav: Path, record: Mapping[str, Any]) -> None:
    """Encode frames and a WAV file.

    Args:
        path: the file to write; it must not exist.
        frames: uint8 RGB `(F, H, W, 3)`, H and W even.
        fps: frames per second.
        wav: the sound, of the frames' length.
        record: JSON data, written into the `comment` tag.

    Raises:
        UnisonError: ffmpeg failed; `path` is then not written or incomplete.
    """
    _, height, width, _ = frames.shape
    with tempfile.TemporaryDirectory() as folder:
        tags = Path(folder) / "tags.txt"
        ffmpeg.write_tags(tags, {"comment": json.dumps(record, ensure_ascii=False, separators=(",", ":"))})
        arguments = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
        arguments += ["-i", str(wav), "-f", "ffmetadata", "-i", str(tags)]
        arguments += ["-map", "0:v", "-map", "1:a", "-map_metadata", "2"]
        arguments += ["-c:v", "libx264", "-preset", "fast", "-crf", "16", "-pix_fmt", "yuv420p"]
        arguments += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
        arguments += ["-vf", "scale=out_color_matrix=bt709:out_range=tv"]
        arguments += ["-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart+use_metadata_tags", str(path)]
        ffmpeg.run(arguments, feed=(np.ascontiguousarray(frame).tobytes() for frame in frames))


def read_record(path: Path) -> dict[str, Any]:
    """The record in an MP4's comment tag; raises UsageError where there is none."""
    try:
        record = json.loads(ffmpeg.read_tags(path).get("comment", ""))
    except (UnisonError, json.JSONDecodeError) as error:
        raise UsageError(f"{path} carries no record of its making") from error
    if not isinstance(record, dict):
        raise UsageError(f"{path} carries no record of its making")
    return record
