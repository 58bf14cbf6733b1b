"""Sound of any file as a stream of blocks, at its own rate and with its own channels.

ffmpeg decodes the first audio track into Sun AU, whose header of six numbers tells rate and channels before the samples
come; what it says on stderr tells a damaged file from a whole one.
"""

import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from unison_core.errors import UsageError
from unison_core.media import ffmpeg

AU_HEADER = struct.Struct(">4sIIIII")
BLOCK_S = 2.0
TRUNCATED = re.compile(r"[Cc]orrupt|ended prematurely|[Pp]artial file|do not match|moov atom|[Ii]nvalid argument")
NO_TRACK = re.compile(r"matches no streams|'0:a:0'|does not contain any stream")
UNKNOWN_CODEC = re.compile(r"[Dd]ecoder .*not found|[Uu]nknown decoder|could not find codec|[Nn]o decoder")
"""What ffmpeg says of a file that is cut short, of one without sound, and of a codec that it does not know."""
SHORT_S, SHORT_SHARE = 0.25, 0.01
"""Sound may be this much shorter than the file says."""
_SAID = re.compile(r"^(?:\[[^\]]*\] ?)*?\[(warning|error|fatal)\] (.*)$")
"""A line of ffmpeg's at these levels; its threads may write into one line, another one's `[info]` first."""
_DURATION = re.compile(r"^\[info\] +Duration: (\d+):(\d+):([\d.]+)")


@dataclass
class AudioReader:
    """An opened file.

    Attributes:
        path, rate_hz, channels: of the file.
        declared_s: length that the file declares, None where it does not.
        samples: per channel, read so far.
        warnings: what ffmpeg found wrong without giving up; complete after the last block.
    """

    path: Path
    rate_hz: int
    channels: int
    declared_s: float | None
    _pipe: BinaryIO
    _process: "subprocess.Popen[bytes]"
    _log: BinaryIO
    samples: int = 0
    warnings: tuple[str, ...] = ()

    def blocks(self) -> Iterator[np.ndarray]:
        """Float32 `(channels, up to 2 s)` until the end.

        Raises:
            UsageError: the file is damaged or cut short, holds no sound, or holds what is no number.
        """
        size = 4 * self.channels
        while raw := self._pipe.read(size * round(BLOCK_S * self.rate_hz)):
            block = np.frombuffer(raw[: len(raw) // size * size], ">f4").astype(np.float32)
            if not np.isfinite(block).all():
                raise UsageError(f"{self.path} holds samples that are no finite numbers")
            self.samples += len(block) // self.channels
            yield block.reshape(-1, self.channels).T
        self._finish()

    def _finish(self) -> None:
        code = self._process.wait()
        said, _, declared_s = _read_log(self._log)
        if code:
            raise UsageError(f"{self.path} cannot be read: {said[-1] if said else f'ffmpeg ended with {code}'}")
        if not self.samples:
            raise UsageError(f"{self.path} holds an audio track without any sample")
        cut = next((line for line in said if TRUNCATED.search(line)), None)
        length_s = self.samples / self.rate_hz
        if cut is None and declared_s and length_s < declared_s * (1 - SHORT_SHARE) - SHORT_S:
            cut = f"{length_s:.2f} s of {declared_s:.2f} s could be read"
        if cut is not None:
            raise UsageError(f"{self.path} is damaged or cut short: {cut}")
        self.warnings = tuple(dict.fromkeys(said))


@contextmanager
def open_audio(path: Path) -> Iterator[AudioReader]:
    """Open the first audio track of any file that ffmpeg knows; ends the decoder on leaving.

    Raises:
        UsageError: the file is missing, empty, unknown or without sound.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    if not path.stat().st_size:
        raise UsageError(f"{path} is empty (0 bytes)")
    command = [ffmpeg.program(), "-hide_banner", "-nostdin", "-loglevel", "level+info", "-nostats", "-i",
               f"file:{path}", "-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "-"]  # fmt: skip
    with tempfile.TemporaryFile("a+b") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        try:
            header = process.stdout.read(AU_HEADER.size)
            if len(header) < AU_HEADER.size:
                process.wait()
                raise UsageError(_refusal(path, _read_log(log)[0]))
            _, offset, _, _, rate_hz, channels = AU_HEADER.unpack(header)
            process.stdout.read(offset - AU_HEADER.size)
            declared_s = _read_log(log)[1]
            yield AudioReader(path, rate_hz, channels, declared_s, process.stdout, process, log)  # type: ignore[arg-type]
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def _refusal(path: Path, said: list[str]) -> str:
    if any(NO_TRACK.search(line) for line in said):
        return f"{path} holds no audio track"
    unknown = [line for line in said if UNKNOWN_CODEC.search(line)]
    reason = (unknown or said or ["ffmpeg says nothing"])[0]
    return f"{path} holds no sound that can be read: {reason}"


def _read_log(log: BinaryIO) -> tuple[list[str], float | None, float | None]:
    """What ffmpeg said at level warning or above, the length that the file declares, and that length if it is exact.

    It is not where ffmpeg estimates it, nor where it is that of a video, whose sound may be shorter.
    """
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()
    said = [match[2].strip() for line in lines if (match := _SAID.match(line))]
    said = [line for line in said if "Guessed Channel Layout" not in line]
    exact = not any("Estimating duration" in line for line in said) and not any("Video:" in line for line in lines)
    times = (match for line in lines if (match := _DURATION.match(line)))
    declared_s = next((3600 * int(time[1]) + 60 * int(time[2]) + float(time[3]) for time in times), None)
    said = [line for line in said if "Estimating duration" not in line]
    return said, declared_s, declared_s if exact else None
