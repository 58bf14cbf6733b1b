"""What a generating pipeline returns: frames, stems, mix and the record of their making, in memory and on disk."""

import errno
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from unison_core.errors import UnisonError, UsageError
from unison_core.media.remux import SourcePicture, mux_with_sound
from unison_core.types import SFX, SPEECH
from unison_core.weights.checksums import sha256

RECORD = "unison.json"
GATES = "gates.json"
VIDEO_FILE, MIX_FILE, PREVIEW_FILE = "video.mp4", "mix.wav", "preview.png"


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One finished clip.

    Attributes:
        frames: uint8 RGB `(F, H, W, 3)`.
        fps: frames per second.
        speech, sfx: float32 `(samples,)`, multiples of 1/32768.
        mix: speech + sfx, to the sample.
        rate_hz: sample rate.
        metadata: the provenance record; JSON data.
        latents: latents by stream, `(C, T, H, W)` and `(N, C)`, float32.
        source: the video that was given, whose own picture `save` writes; `frames` are what the model saw of it.
        gates: the gates by block and step (`gate_record.py`), where they were asked for.
    """

    frames: np.ndarray
    fps: float
    speech: np.ndarray
    sfx: np.ndarray
    mix: np.ndarray
    rate_hz: int
    metadata: Mapping[str, Any]
    latents: Mapping[str, Tensor] = field(repr=False)
    source: SourcePicture | None = None
    gates: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def warnings(self) -> list[str]:
        """What the output checks found wrong."""
        return [check["message"] for check in self.metadata["checks"] if not check["passed"]]

    def save(self, folder: str | Path, *, overwrite: bool = False, preview: bool = False) -> "Generation":
        """Write `video.mp4`, `mix.wav`, `speech.wav`, `sfx.wav` and `unison.json` into `folder`, all or nothing.

        Args:
            folder: appears under its name only when every file in it is complete.
            overwrite: replace what is there.
            preview: write `preview.png` as well.

        Returns:
            This generation, with the files' hashes in its metadata.

        Raises:
            UsageError: the folder exists and holds something.
            UnisonError: it cannot be written (no space, no permission).
        """
        from unison_core.media.mp4 import write_mp4
        from unison_core.media.wav import write_wav

        folder = Path(folder)
        with atomic_folder(folder, overwrite=overwrite) as partial:
            waves = {MIX_FILE: self.mix, "speech.wav": self.speech, "sfx.wav": self.sfx}
            for name, samples in waves.items():
                write_wav(partial / name, samples, self.rate_hz)
            if preview:
                from unison_core.media.preview import write_png

                write_png(partial / PREVIEW_FILE, self.preview())
            if self.gates is not None:
                (partial / GATES).write_text(json.dumps(self.gates) + "\n", encoding="utf-8")
            record = {**self.metadata, "files": {name: sha256(partial / name) for name in waves}}
            if self.source is None:
                write_mp4(partial / VIDEO_FILE, self.frames, self.fps, partial / MIX_FILE, record)
            else:
                record = dict(mux_with_sound(
                    partial / VIDEO_FILE, self.source, partial / MIX_FILE, partial_record(record, "picture")
                ))  # fmt: skip
            others = [VIDEO_FILE, *([PREVIEW_FILE] if preview else []), *([GATES] if self.gates is not None else [])]
            record["files"] = {**record["files"], **{name: sha256(partial / name) for name in others}}
            (partial / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return replace(self, metadata=record)

    def preview(self) -> Any:
        """One picture (`PIL.Image`): frames over spectrograms, with the onsets of the effects marked."""
        from unison_core.media.onsets import onsets_s
        from unison_core.media.preview import preview

        request = self.metadata["request"]
        unsaid = "(nobody speaks)" if not self.speech.any() else "(no transcript)"  # given speech brings no words
        title = request["caption"] + "\n" + (f"“{request['transcript']}”" if request["transcript"] else unsaid)
        rows = {SPEECH: self.speech, "effects": self.sfx, "mix": self.mix}
        marks = onsets_s(self.sfx, self.rate_hz)
        return preview(self.frames, self.fps, rows, self.rate_hz, marks, title)

    @property
    def stems(self) -> dict[str, np.ndarray]:
        """Waveforms by audio stream."""
        return {SPEECH: self.speech, SFX: self.sfx}


def partial_record(record: Mapping[str, Any], key: str) -> Callable[[str], Mapping[str, Any]]:
    """The record with a fact about its output filled in later."""
    return lambda fact: {**record, "output": {**record["output"], key: fact}}


@contextmanager
def atomic_folder(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A folder to write into that becomes `folder` at the end of the block, or vanishes if the block fails.

    Raises:
        UsageError: `folder` exists and is not empty, and `overwrite` is off.
        UnisonError: it cannot be written.
    """
    check_free(folder, overwrite=overwrite)
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            old = folder.with_name(f".{folder.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
            partial.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            partial.rename(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    except UnisonError as error:
        if "No space left" in str(error):  # ffmpeg's words
            raise unwritable(folder, OSError(errno.ENOSPC, "")) from error
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Raise UsageError if writing `folder` would destroy something."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"output {folder} exists and is no folder: choose another --out")
    if folder.is_dir() and not overwrite and any(folder.iterdir()):
        raise UsageError(f"output folder {folder} is not empty: choose another --out, or pass --overwrite")


def check_writable(folder: Path, needed_bytes: int) -> None:
    """Raise UsageError unless `folder` can be made here and the disk has room; leaves nothing behind."""
    parent = folder
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir():
        raise UsageError(f"output {folder}: {parent} is no folder")
    try:
        tempfile.TemporaryDirectory(dir=parent, prefix=".unison-").cleanup()
    except OSError as error:
        raise UsageError(f"output {folder}: {parent} cannot be written to ({error.strerror})") from error
    free = shutil.disk_usage(parent).free
    if free < needed_bytes:
        raise UsageError(
            f"output {folder}: {free / 1e6:.1f} MB are free on that disk, {needed_bytes / 1e6:.0f} MB are needed"
        )


def unwritable(folder: Path, error: OSError) -> UnisonError:
    """What to tell of an error in writing."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UnisonError(f"output {folder}: the disk is full; nothing was left behind")
    return UnisonError(f"output {folder} could not be written: {error.strerror or error}")
