"""Recordings -> stems on disk, many at a time: decoding, the model and writing overlap; what is finished is skipped.

Worker threads carry one recording each from file to files; one thread owns the model (`separation/service.py`). A
recording's folder holds its stems and, written last, `separation.json`; without that it is made again.
"""

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from unison_core.errors import OutOfMemory, UnisonError, UsageError
from unison_core.media.audio_reader import AudioReader, open_audio
from unison_core.media.audio_writer import DISK_FULL, FORMATS, open_writer
from unison_core.pipelines.separation_items import Source
from unison_core.separation.overlap_add import Grid, separate_stream
from unison_core.separation.service import SeparationService
from unison_core.types import AUDIO_STREAMS, SFX, SPEECH

RECORD = "separation.json"
STEMS = {"both": AUDIO_STREAMS, "speech": (SPEECH,), "sfx": (SFX,)}
LOW, HIGH = -32768, 32767

Progress = Callable[[float, int, float], None]
"""Called with (items done, parts of items included; items; seconds of sound done)."""


@dataclass(frozen=True, kw_only=True)
class SeparateSettings:
    """How stems are written."""

    out: Path
    format: str = "wav"
    stem: str = "both"
    """`speech`, `sfx` or `both`."""
    workers: int = 2
    """Recordings in the works at a time."""
    overwrite: bool = False
    """Make finished items again."""
    model: Mapping[str, str] = field(default_factory=dict)
    """Name and SHA-256 of the model, for the records."""

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise UsageError(f"format {self.format!r} is none of {', '.join(FORMATS)}")
        if self.stem not in STEMS:
            raise UsageError(f"stem {self.stem!r} is none of {', '.join(STEMS)}")
        if self.workers < 1:
            raise UsageError(f"workers {self.workers} must be at least 1")


@dataclass(frozen=True, kw_only=True)
class Separated:
    """What became of a recording: its record, or why it failed."""

    source: Source
    folder: Path
    record: Mapping[str, Any] | None = None
    skipped: bool = False
    error: Exception | None = None


def separate_all(
    sources: Sequence[Source], service: SeparationService, settings: SeparateSettings, progress: Progress | None = None
) -> Iterator[Separated]:
    """Separate every source, yielding what became of each as it happens.

    Raises:
        UnisonError: the disk or the memory is full, which ends the whole run; whatever else fails is the item's.
    """
    tally = _Tally(len(sources), progress or (lambda *_: None))
    stop = threading.Event()
    pending = iter(sources)
    with ThreadPoolExecutor(settings.workers, thread_name_prefix="separate") as pool:
        running: set[Future[Separated]] = set()
        try:
            while True:
                free = 2 * settings.workers - len(running)
                running |= {pool.submit(_item, s, service, settings, tally, stop) for s in islice(pending, free)}
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _item(
    source: Source, service: SeparationService, settings: SeparateSettings, tally: "_Tally", stop: threading.Event
) -> Separated:
    folder = settings.out / source.name
    try:
        if source.path is None:
            raise UsageError(source.fault or "it names no file")
        done = None if settings.overwrite else finished(folder, source.path, settings)
        record = done or _separate(source.path, folder, service, settings, tally, stop)
        return Separated(source=source, folder=folder, record=record, skipped=done is not None)
    except OutOfMemory:
        raise
    except Exception as error:  # whatever it is, it is this item's, but for a full disk
        if DISK_FULL in str(error) or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
            raise UnisonError(f"{DISK_FULL} at {settings.out}: make room and run the same command again") from error
        return Separated(source=source, folder=folder, error=error)
    finally:
        tally.finish(source)


def finished(folder: Path, path: Path, settings: SeparateSettings) -> dict[str, Any] | None:
    """The record in `folder` if the stems of `path` that are wanted are there; None where they are to be made.

    Raises:
        UsageError: they are there, but made with another model or in another format.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        made: dict[str, str] = record["files"]
        same_source = record["source"]["bytes"] == path.stat().st_size and record["source"]["mtime_ns"] == (
            path.stat().st_mtime_ns
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not same_source or not all((folder / name).is_file() for name in made.values()):
        return None
    if record.get("model") != dict(settings.model) or record.get("format") != settings.format:
        raise UsageError(f"{folder} was made with another model or format: choose another --out, or pass --overwrite")
    return record if set(STEMS[settings.stem]) <= made.keys() else None


def _separate(
    path: Path, folder: Path, service: SeparationService, settings: SeparateSettings, tally: "_Tally",
    stop: threading.Event,
) -> dict[str, Any]:  # fmt: skip
    files = {stream: f"{stream}.{settings.format}" for stream in STEMS[settings.stem]}
    for name in files.values():
        if path.resolve() == (folder / name).resolve():
            raise UsageError(f"{path} would be overwritten by its own stem: choose another --out")
    stat = path.stat() if path.is_file() else None
    partial = {stream: folder / f".{name}.partial" for stream, name in files.items()}
    try:
        with open_audio(path) as reader, ExitStack() as stack:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / RECORD).unlink(missing_ok=True)
            writers = {
                stream: stack.enter_context(open_writer(part, settings.format, reader.rate_hz, reader.channels))
                for stream, part in partial.items()
            }
            clipped = 0
            for mix, stems in _stems(reader, service):
                if stop.is_set():
                    raise UnisonError("interrupted")
                for stream, writer in writers.items():
                    writer.write(stems[stream])
                clipped += int(np.count_nonzero(np.abs(mix) > 1))
                tally.advance(path, reader)
        for stream, name in files.items():
            os.replace(partial[stream], folder / name)
        assert stat is not None
        warnings = list(reader.warnings)
        if clipped:
            warnings.append(f"{clipped} samples of the recording lie over full scale and were clipped")
        record = {
            "source": {"path": str(path), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns},
            "model": dict(settings.model),
            "format": settings.format,
            "files": files,
            "rate_hz": reader.rate_hz,
            "channels": reader.channels,
            "samples": reader.samples,
            "duration_s": round(reader.samples / reader.rate_hz, 6),
            "warnings": warnings,
        }
        part = folder / f".{RECORD}.partial"
        part.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(part, folder / RECORD)
        return record
    finally:
        for part in (*partial.values(), folder / f".{RECORD}.partial"):
            part.unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _stems(reader: AudioReader, service: SeparationService) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """The recording, and its stems as int16 `(channels, n)` that add up to it, block by block."""
    grid = Grid.at_rate(service.separator.config, reader.rate_hz)
    ahead = 1 + service.separator.batch
    for mix, speech in separate_stream(reader.blocks(), grid, service.submit, ahead):
        yield mix, split(mix, speech)


def split(mix: np.ndarray, speech: np.ndarray) -> dict[str, np.ndarray]:
    """Float `mix` and `speech` -> int16 stems whose sum is the mix on the 16-bit grid, to the sample."""
    whole = np.clip(np.round(mix.astype(np.float64) * -LOW), LOW, HIGH).astype(np.int32)
    said = np.round(speech.astype(np.float64) * -LOW).astype(np.int32)
    said = np.clip(said, np.maximum(LOW, whole - HIGH), np.minimum(HIGH, whole - LOW))  # both stems fit 16 bits
    return {SPEECH: said.astype(np.int16), SFX: (whole - said).astype(np.int16)}


class _Tally:
    """Adds up what the workers have done."""

    def __init__(self, total: int, tell: Progress) -> None:
        self._total, self._tell = total, tell
        self._lock = threading.Lock()
        self._done, self._parts, self._seconds = 0, dict[Path, float](), 0.0
        self._read = dict[Path, float]()

    def advance(self, path: Path, reader: AudioReader) -> None:
        """The recording `path` has been written as far as it is read."""
        seconds = reader.samples / reader.rate_hz
        with self._lock:
            self._seconds += seconds - self._read.get(path, 0.0)
            self._read[path] = seconds
            self._parts[path] = min(0.99, seconds / reader.declared_s) if reader.declared_s else 0.0
            self._report()

    def finish(self, source: Source) -> None:
        """An item is over."""
        with self._lock:
            self._done += 1
            if source.path is not None:
                self._parts.pop(source.path, None)
                self._read.pop(source.path, None)
            self._report()

    def _report(self) -> None:
        self._tell(self._done + sum(self._parts.values()), self._total, self._seconds)
