"""What goes into a file comes out of it: picture, sound, and the record in its tag."""

import numpy as np
import pytest

from unison_core.errors import UnisonError, UsageError
from unison_core.media.mp4 import read_record, write_mp4
from unison_core.media.read import read_audio, read_frames
from unison_core.media.wav import write_wav

RATE, FPS = 16000, 25


@pytest.fixture
def clip(tmp_path):
    t = np.linspace(0, 1, RATE, endpoint=False)
    write_wav(tmp_path / "mix.wav", (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), RATE)
    y, x = np.mgrid[0:32, 0:48]
    frames = np.stack([np.stack([x * 5, y * 7, np.full_like(x, k * 10)], -1) for k in range(FPS)]).astype(np.uint8)
    return tmp_path, frames


def test_round_trip(clip):
    folder, frames = clip
    record = {"caption": 'a=b; c#d \\ "q"\nnew line é 声', "numbers": [1, 2.5, None], "long": "x" * 200_000}
    write_mp4(folder / "clip.mp4", frames, FPS, folder / "mix.wav", record)
    assert read_record(folder / "clip.mp4") == record
    decoded = read_frames(folder / "clip.mp4")
    assert decoded.shape == frames.shape
    assert np.abs(decoded.astype(int) - frames).mean() < 8  # chroma is stored at half resolution
    heard = read_audio(folder / "clip.mp4", RATE)[:RATE]
    spectrum = np.abs(np.fft.rfft(heard))
    assert np.argmax(spectrum) * RATE / len(heard) == pytest.approx(440, abs=2)


def test_rate_and_size_are_converted(clip):
    folder, frames = clip
    write_mp4(folder / "clip.mp4", frames, FPS, folder / "mix.wav", {})
    assert read_frames(folder / "clip.mp4", fps=12.5, size=(24, 16)).shape[1:] == (16, 24, 3)
    assert len(read_audio(folder / "clip.mp4", 8000)) == pytest.approx(8000, abs=600)


def test_files_without_picture_sound_or_record_are_named(clip):
    folder, frames = clip
    write_mp4(folder / "clip.mp4", frames, FPS, folder / "mix.wav", {})
    (folder / "text.txt").write_text("hello")
    with pytest.raises(UsageError, match=r"text.txt holds no video"):
        read_frames(folder / "text.txt")
    with pytest.raises(UsageError, match=r"mix.wav holds no video"):
        read_frames(folder / "mix.wav")
    with pytest.raises(UsageError, match=r"text.txt holds no sound"):
        read_audio(folder / "text.txt", RATE)
    with pytest.raises(UsageError, match="there is no file"):
        read_audio(folder / "missing.wav", RATE)
    with pytest.raises(UsageError, match="no record"):
        read_record(folder / "mix.wav")


def test_an_encoder_that_fails_says_why(clip):
    folder, frames = clip
    with pytest.raises(UnisonError, match="ffmpeg"):
        write_mp4(folder / "no" / "such" / "folder.mp4", frames, FPS, folder / "mix.wav", {})
