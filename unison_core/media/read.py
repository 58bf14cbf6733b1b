"""Media files -> arrays: any container, codec, frame rate and sample rate that ffmpeg reads."""

import logging
from pathlib import Path

import numpy as np

from unison_core.errors import UnisonError, UsageError
from unison_core.media import ffmpeg


def read_frames(path: Path, *, fps: float | None = None, size: tuple[int, int] | None = None) -> np.ndarray:
    """Frames of the first video stream.

    Args:
        path: any video or image file.
        fps: frames per second of the result; None keeps the file's own.
        size: (width, height) of the result; None keeps the file's own.

    Returns:
        uint8 RGB `(F, H, W, 3)`.

    Raises:
        UsageError: the file is missing or holds no picture that can be decoded.
    """
    import imageio_ffmpeg

    _exists(path)
    logging.getLogger("imageio_ffmpeg").setLevel(logging.ERROR)  # it warns when a filter changes the size
    filters = [f"fps={fps}"] if fps else []
    filters += [f"scale={size[0]}:{size[1]}:flags=bicubic"] if size else []
    reader = imageio_ffmpeg.read_frames(
        str(path), pix_fmt="rgb24", output_params=["-vf", ",".join(filters)] if filters else []
    )
    try:
        meta = next(reader)
        frames = [np.frombuffer(frame, np.uint8) for frame in reader]
    except (OSError, RuntimeError, IndexError, KeyError, StopIteration) as error:
        raise UsageError(f"{path} holds no video that can be read") from error
    finally:
        reader.close()
    if not frames:
        raise UsageError(f"{path} holds no video frame")
    width, height = size or meta["size"]
    return np.stack(frames).reshape(-1, height, width, 3)


def read_audio(path: Path, rate_hz: int, *, start_s: float = 0.0, duration_s: float | None = None) -> np.ndarray:
    """The first audio stream, mixed down to mono.

    Args:
        path: any file with sound.
        rate_hz: of the result.
        start_s: where it begins.
        duration_s: how much at most; None takes all.

    Returns:
        float32 `(samples,)` at `rate_hz`.

    Raises:
        UsageError: the file is missing or holds no sound that can be decoded.
    """
    _exists(path)
    part = [*(["-ss", f"{start_s:.6f}"] if start_s else []), *(["-t", f"{duration_s:.6f}"] if duration_s else [])]
    try:
        raw = ffmpeg.run([*part, "-i", str(path), "-map", "0:a:0", "-ac", "1", "-ar", str(rate_hz), "-f", "f32le", "-"])
    except UnisonError as error:
        raise UsageError(f"{path} holds no sound that can be read: {error}") from error
    return np.frombuffer(raw, np.float32).copy()


def _exists(path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
