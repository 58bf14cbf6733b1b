"""Pictures of every kind come in: rotated, transparent, deep, wide, of any rate; what is none is one clear line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unison_core.errors import UsageError
from unison_core.media import ffmpeg
from unison_core.media.pictures import psnr_db, read_picture, read_video
from unison_core.media.probe import picture_length_s, probe

SIZE = (32, 32)


def make(path: Path, source: str, *arguments: str) -> Path:
    ffmpeg.run(["-f", "lavfi", "-i", source, *arguments, str(path)])
    return path


def halves(path: Path, *arguments: str, size: str = "64x48") -> Path:
    """A second of video whose left half is red and whose right half is blue."""
    width, height = (int(x) for x in size.split("x"))
    source = f"color=red:s={size}:r=10:d=1,drawbox=x={width // 2}:w={width // 2}:h={height}:c=blue:t=fill"
    return make(path, source, *arguments)


def colour(frame: np.ndarray, y: float, x: float) -> str:
    r, g, b = frame[int(y * frame.shape[0]), int(x * frame.shape[1])].astype(int)
    return "red" if r > 150 > max(g, b) else "blue" if b > 150 > max(r, g) else "white" if min(r, g, b) > 200 else "?"


@pytest.mark.parametrize("size", ["64x48", "63x47", "34x90", "400x20"])
@pytest.mark.parametrize("codec", [("v.mkv", "ffv1", "yuv444p"), ("v.webm", "libvpx-vp9", "yuv444p")])
def test_any_size_and_codec_covers_the_frame(tmp_path, size, codec):
    name, encoder, pixels = codec
    path = halves(tmp_path / name, "-c:v", encoder, "-pix_fmt", pixels, size=size)
    frames = read_video(path, size=SIZE, fps=25, count=100)
    assert frames.shape == (25, 32, 32, 3)
    assert colour(frames[0], 0.5, 0.1) == "red"
    assert colour(frames[-1], 0.5, 0.9) == "blue"


def test_rotation_is_applied(tmp_path):
    plain = halves(tmp_path / "plain.mp4", "-pix_fmt", "yuv420p")
    turned = tmp_path / "turned.mp4"
    ffmpeg.run(["-display_rotation", "90", "-i", str(plain), "-c", "copy", str(turned)])
    frame = read_video(turned, size=SIZE, fps=25, count=1)[0]
    found = {colour(frame, 0.1, 0.5), colour(frame, 0.9, 0.5)}
    assert found == {"red", "blue"}


def test_transparency_lies_on_white(tmp_path):
    path = make(tmp_path / "a.mov", "color=red@0.0:s=32x32:r=5:d=0.4,format=rgba", "-c:v", "png")
    assert probe(path).video.alpha
    assert colour(read_video(path, size=SIZE, fps=5, count=1)[0], 0.5, 0.5) == "white"
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert colour(read_picture(tmp_path / "a.png", SIZE), 0.5, 0.5) == "white"


def test_high_dynamic_range_is_mapped(tmp_path):
    path = make(
        tmp_path / "hdr.mkv", "color=gray:s=64x64:r=5:d=0.4,format=yuv420p10le,setparams=color_trc=smpte2084:"
        "color_primaries=bt2020:colorspace=bt2020nc:range=tv", "-c:v", "ffv1",
    )  # fmt: skip
    assert probe(path).video.hdr
    frame = read_video(path, size=SIZE, fps=5, count=1)[0]
    assert 60 < frame.mean() < 250  # half of PQ is about 92 nits: near the white of standard range, unmapped it is 128
    assert frame.std() < 3


def test_variable_frame_rate_becomes_constant(tmp_path):
    path = halves(tmp_path / "v.mp4", "-vf", "setpts='if(lt(N,5),N,5+(N-5)*3)/10/TB'", "-fps_mode", "vfr",
                  "-pix_fmt", "yuv420p")  # fmt: skip
    assert len(read_video(path, size=SIZE, fps=25, count=1000)) == pytest.approx(25 * 2.0, abs=8)


def test_start_and_count(tmp_path):
    path = make(tmp_path / "g.mkv", "gradients=s=32x32:r=25:d=2:c0=black:c1=white:speed=0.2", "-c:v", "ffv1")
    whole = read_video(path, size=SIZE, fps=25, count=100)
    part = read_video(path, size=SIZE, fps=25, start_s=0.4, count=5)
    assert len(part) == 5
    assert psnr_db(part, whole[10:15]) > 50


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16", "1"])
def test_pictures_of_every_mode(tmp_path, mode):
    levels = np.tile(np.linspace(0, 255, 50).astype(np.uint8), (40, 1))
    if mode == "I;16":
        image = Image.fromarray(levels.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(levels).convert("RGB").convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    frame = read_picture(path, SIZE)
    assert frame.shape == (32, 32, 3)
    assert frame[:, :4].mean() < 90
    assert frame[:, -4:].mean() > 160


def test_orientation_in_exif_is_applied(tmp_path):
    image = Image.new("RGB", (40, 40), "red")
    image.paste("blue", (20, 0, 40, 40))
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned clockwise
    image.save(tmp_path / "a.png", exif=exif)
    frame = read_picture(tmp_path / "a.png", SIZE)
    assert (colour(frame, 0.1, 0.5), colour(frame, 0.9, 0.5)) == ("red", "blue")


def test_the_first_frame_of_a_video_is_a_picture_too(tmp_path):
    path = halves(tmp_path / "v.mkv", "-c:v", "ffv1")
    assert colour(read_picture(path, SIZE), 0.5, 0.1) == "red"


@pytest.mark.parametrize("content", [b"", b"no media at all", b"\x89PNG\r\n\x1a\nbroken"])
def test_what_is_no_picture_is_said(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.png"):
        read_picture(tmp_path / "x.png", SIZE)
    with pytest.raises(UsageError, match="no file"):
        read_video(tmp_path / "none.mp4", size=SIZE, fps=25, count=1)


def test_sound_without_a_picture_is_named(tmp_path):
    path = make(tmp_path / "s.wav", "sine=d=1:r=22050")
    assert probe(path).audio_rate_hz == 22050
    assert probe(path).duration_s == pytest.approx(1)
    with pytest.raises(UsageError, match="has no picture"):
        read_video(path, size=SIZE, fps=25, count=1)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_the_length_of_a_picture_is_its_own(tmp_path, name):
    """A container states the longest stream's length; the picture's is counted."""
    codec = "libvpx-vp9" if name == "a.webm" else "libx264"
    path = tmp_path / name
    ffmpeg.run(["-f", "lavfi", "-i", "testsrc=s=32x32:r=25:d=1.4", "-f", "lavfi", "-i", "sine=d=2", "-c:v", codec,
                "-pix_fmt", "yuv420p", str(path)])  # fmt: skip
    info = probe(path)
    assert info.duration_s == pytest.approx(2, abs=0.1)
    assert picture_length_s(path, info.video) == pytest.approx(1.4, abs=0.01)
