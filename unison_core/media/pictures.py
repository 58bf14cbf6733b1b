"""Pictures of any size, rate, orientation and dynamic range -> frames as a model takes them.

A picture is turned as its metadata says, brought to square pixels and standard dynamic range, laid on white where it is
transparent, scaled until it covers the wanted size, and cut around its middle.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from unison_core.errors import UnisonError, UsageError
from unison_core.media import ffmpeg
from unison_core.media.probe import VideoStream, probe

TONE_MAP = "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"
ON_WHITE = (
    "format=rgba,split[back][front];[back]drawbox=c=white:replace=1:t=fill[white];[white][front]overlay=format=auto"
)
Image.MAX_IMAGE_PIXELS = 500_000_000


def read_video(
    path: Path, *, size: tuple[int, int], fps: float, start_s: float = 0.0, count: int,
    stream: VideoStream | None = None,
) -> np.ndarray:  # fmt: skip
    """Frames of the first video stream at a constant rate.

    Args:
        path: any video file; frames of variable rate are repeated or left out.
        size: (width, height) of the result.
        fps: frames per second of the result.
        start_s: where it begins.
        count: frames at most.
        stream: the file's video stream where it is known already; None looks.

    Returns:
        uint8 RGB `(F, H, W, 3)`, F <= count.

    Raises:
        UsageError: there is no file, no picture in it, or none after `start_s`.
    """
    stream = stream or video_stream(path)
    width, height = size
    filters = [TONE_MAP] * stream.hdr + [ON_WHITE] * stream.alpha + [f"fps={fps}", *_cover(width, height)]
    arguments = ["-ss", f"{start_s:.6f}", "-i", str(path), "-map", f"0:v:{stream.index}", "-vf", ",".join(filters)]
    try:
        raw = ffmpeg.run([*arguments, "-frames:v", str(count), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
    except UnisonError as error:
        raise UsageError(f"{path}: its picture cannot be decoded: {error}") from error
    frames = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
    if not len(frames):
        raise UsageError(f"{path} shows nothing from {start_s:g} s on")
    return frames


def video_stream(path: Path) -> VideoStream:
    """The video stream of a file; raises UsageError where it has none."""
    stream = probe(path).video
    if stream is None:
        raise UsageError(f"{path} has no picture")
    return stream


def read_picture(path: Path, size: tuple[int, int]) -> np.ndarray:
    """One picture as uint8 RGB `(H, W, 3)`: an image file, or the first frame of a video.

    Args:
        path: any format that Pillow or ffmpeg reads.
        size: (width, height) of the result.

    Raises:
        UsageError: there is no such file, or no picture in it.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            fitted = ImageOps.fit(_opaque(image), size, Image.Resampling.LANCZOS)
    except UnidentifiedImageError:
        return read_video(path, size=size, fps=25, count=1)[0]
    except (OSError, Image.DecompressionBombError) as error:
        raise UsageError(f"{path} cannot be read as a picture: {error}") from error
    return np.asarray(fitted)


def _opaque(image: Image.Image) -> Image.Image:
    """RGB on white; 16-bit grey is brought to 8 bits, which Pillow would clip."""
    if image.mode.startswith("I"):
        levels = np.asarray(image).astype(np.float64)
        image = Image.fromarray((levels / (257 if levels.max() > 255 else 1)).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")


def _cover(width: int, height: int) -> list[str]:
    return [
        "scale='trunc(iw*sar/2)*2':ih,setsar=1",
        f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=bicubic",
        f"crop={width}:{height}",
    ]


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures of one shape; infinite where they are equal."""
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))
