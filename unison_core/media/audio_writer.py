"""Sound onto the disk as a stream of 16-bit blocks: WAV by Python, every other format by ffmpeg."""

import subprocess
import tempfile
import wave
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from unison_core.errors import UnisonError
from unison_core.media import ffmpeg

FORMATS: dict[str, tuple[str, ...]] = {
    "wav": (),
    "flac": ("-c:a", "flac", "-f", "flac"),
    "mp3": ("-c:a", "libmp3lame", "-q:a", "0", "-f", "mp3"),
    "ogg": ("-c:a", "libvorbis", "-q:a", "8", "-f", "ogg"),
    "opus": ("-c:a", "libopus", "-b:a", "192k", "-f", "opus"),
    "m4a": ("-c:a", "aac", "-b:a", "256k", "-f", "ipod"),
    "aac": ("-c:a", "aac", "-b:a", "256k", "-f", "adts"),
}
"""Formats by suffix with what ffmpeg is told; wav and flac keep every sample."""
DISK_FULL = "no space is left on the disk"
WAV_BYTES = 2**32 - 2**16
"""A WAV file's sizes are 32-bit numbers."""


class AudioWriter(Protocol):
    """Takes blocks until it is closed; closing after an error only ends it."""

    def write(self, block: np.ndarray) -> None:
        """Add int16 `(channels, n)`."""

    def __enter__(self) -> "AudioWriter": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None: ...


def open_writer(path: Path, suffix: str, rate_hz: int, channels: int) -> AudioWriter:
    """A writer of the format that `suffix` names, whatever `path` is called.

    Opus knows 8, 12, 16, 24 and 48 kHz only; ffmpeg takes the nearest such rate for it, and likewise for MP3.
    """
    if suffix == "wav":
        return WavWriter(path, rate_hz, channels)
    return FfmpegWriter(path, FORMATS[suffix], rate_hz, channels)


class WavWriter:
    """16-bit PCM by Python's own module, which says why where writing fails."""

    def __init__(self, path: Path, rate_hz: int, channels: int) -> None:
        self._file = path.open("wb")
        self._wave = wave.Wave_write(self._file)
        self._wave.setnchannels(channels)
        self._wave.setsampwidth(2)
        self._wave.setframerate(rate_hz)
        self._bytes = 0

    def write(self, block: np.ndarray) -> None:
        self._bytes += 2 * block.size
        if self._bytes > WAV_BYTES:
            raise UnisonError("the recording is too long for WAV, which ends at 4 GB: use --format flac")
        self._wave.writeframesraw(np.ascontiguousarray(block.T, "<i2").data)

    def __enter__(self) -> "WavWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            self._wave.close()
        except OSError:
            if error is None:
                raise
        finally:
            self._file.close()


class FfmpegWriter:
    """Any format of ffmpeg's, through a pipe."""

    def __init__(self, path: Path, arguments: tuple[str, ...], rate_hz: int, channels: int) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the writer)
        command = [ffmpeg.program(), "-hide_banner", "-loglevel", "error", "-y", "-f", "s16le", "-ar", str(rate_hz),
                   "-ac", str(channels), "-i", "-", *arguments, f"file:{path}"]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._log
        )  # fmt: skip

    def write(self, block: np.ndarray) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(block.T, "<i2").data)
        except BrokenPipeError as error:
            raise self._failure() from error

    def __enter__(self) -> "FfmpegWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        try:
            if error is not None:
                self._process.kill()
                return
            with suppress(BrokenPipeError):  # the exit code tells
                self._process.stdin.close()
            if self._process.wait():
                raise self._failure()
        finally:
            self._process.wait()
            self._log.close()

    def _failure(self) -> UnisonError:
        self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        if any("No space left" in line for line in lines):
            return UnisonError(DISK_FULL)
        return UnisonError(f"ffmpeg cannot write this: {lines[0] if lines else 'it says nothing'}")
