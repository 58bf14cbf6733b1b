"""Any audio in, any audio out, block by block; damaged files are told from whole ones."""

import wave as wave_module
from pathlib import Path

import numpy as np
import pytest

from unison_core.errors import UnisonError, UsageError
from unison_core.media import audio_reader, audio_writer, ffmpeg
from unison_core.media.audio_reader import open_audio
from unison_core.media.audio_writer import FORMATS, open_writer

RATE_HZ = 44100


def tones(channels: int = 2, seconds: float = 1.5, rate_hz: int = RATE_HZ) -> np.ndarray:
    """int16 `(channels, n)`, another pitch in every channel."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.stack([np.round(8000 * np.sin(6.2832 * 300 * (c + 1) * time_s)) for c in range(channels)]).astype(
        np.int16
    )


def write(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    with open_writer(path, path.suffix[1:], rate_hz, len(samples)) as writer:
        for start in range(0, samples.shape[1], 10_000):
            writer.write(samples[:, start : start + 10_000])
    return path


def read(path: Path) -> tuple[np.ndarray, int]:
    with open_audio(path) as reader:
        return np.concatenate(list(reader.blocks()), axis=1), reader.rate_hz


def video(path: Path, sound: Path | None) -> Path:
    """A second of picture, with sound where there is some."""
    picture = ["-f", "lavfi", "-i", "testsrc=d=1.5:s=64x64"]
    ffmpeg.run(["-y", *picture, *(["-i", str(sound)] if sound else []), str(path)])
    return path


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_lossless_formats_keep_every_sample(tmp_path: Path, suffix: str, channels: int) -> None:
    samples = tones(channels)
    made, rate_hz = read(write(tmp_path / f"a b'.{suffix}", samples))
    assert rate_hz == RATE_HZ
    assert np.array_equal(made, samples / np.float32(32768))


@pytest.mark.parametrize("suffix", sorted(FORMATS.keys() - {"wav", "flac"}))
def test_lossy_formats_sound_alike(tmp_path: Path, suffix: str) -> None:
    samples = tones(rate_hz=48000)
    made, rate_hz = read(write(tmp_path / f"a.{suffix}", samples, 48000))
    assert rate_hz == 48000
    assert abs(made.shape[1] - samples.shape[1]) < 0.06 * 48000
    spectra = [np.abs(np.fft.rfft(x[:, 10_000:40_000])).argmax(axis=1) for x in (made, samples)]
    assert np.abs(np.subtract(*spectra)).max() <= 1


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm"])
def test_sound_of_videos(tmp_path: Path, suffix: str) -> None:
    path = video(tmp_path / f"v.{suffix}", write(tmp_path / "a.wav", tones()))
    made, _ = read(path)
    assert made.shape[0] == 2
    assert abs(made.shape[1] / read(path)[1] - 1.5) < 0.1
    with pytest.raises(UsageError, match="holds no audio track"):
        read(video(tmp_path / f"mute.{suffix}", None))


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "m4a", "aac", "mp4", "mkv"])
def test_half_a_file_is_no_file(tmp_path: Path, suffix: str) -> None:
    path, sound = tmp_path / f"a.{suffix}", write(tmp_path / "b.wav", tones(seconds=3))
    if suffix in ("mp4", "mkv"):
        video(path, sound)
    else:
        write(path, tones(seconds=3))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(UsageError, match=r"damaged or cut short|no sound that can be read"):
        read(path)


def test_what_two_threads_of_ffmpeg_write_into_one_line_is_read(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+b") as log:
        log.write(b"[info] [in#0/matroska,webm @ 0x55c0] [error] File ended prematurely\n"
                  b"[mp3 @ 0x1] [demuxer @ 0x2] [warning] Odd\n[info] size= 3KiB [error]\n")  # fmt: skip
        said, _, _ = audio_reader._read_log(log)
    assert said == ["File ended prematurely", "Odd"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", r"is empty \(0 bytes\)"), (b"hello", "no sound that can be read"), (b"\0" * 5000, "no sound")],
)
def test_what_is_no_sound_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read(path)
    with pytest.raises(UsageError, match="there is no file"):
        read(tmp_path / "b.wav")


def test_a_track_without_samples(tmp_path: Path) -> None:
    with wave_module.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
    with pytest.raises(UsageError, match=r"without any sample|no sound"):
        read(tmp_path / "a.wav")


def test_samples_that_are_no_numbers(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.full(1000, np.nan, np.float32), 16000, subtype="FLOAT")
    with pytest.raises(UsageError, match="no finite numbers"):
        read(tmp_path / "a.wav")


def test_a_wav_file_ends_at_four_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_writer, "WAV_BYTES", 1000)
    with pytest.raises(UnisonError, match="--format flac"):
        write(tmp_path / "a.wav", tones())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("suffix", ["wav", "mp3"])
def test_a_full_disk_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.symlink_to("/dev/full")
    with pytest.raises((UnisonError, OSError), match=r"[Nn]o space"):
        write(path, tones(seconds=20))
