"""What `unison separate` works on: files, folders and manifests -> items with names that no two share."""

import fnmatch
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unison_core.errors import UsageError
from unison_core.pipelines.naming import check_id

AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac")
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")
PATH_KEYS = ("audio", "mix", "path", "video")
"""Keys of a manifest's row that may name the recording, the first one that is there counts."""


@dataclass(frozen=True)
class Source:
    """One recording.

    Attributes:
        path: the file; None where a manifest's row names none.
        name: folder of its stems under the output folder, `/` between levels.
        row: the manifest's row that it came from.
        fault: why it cannot be separated, found without opening it.
    """

    path: Path | None
    name: str
    row: Mapping[str, Any] | None = None
    fault: str | None = None


def list_sources(inputs: Sequence[Path], manifest: Path | None, out: Path, pattern: str | None = None) -> list[Source]:
    """Everything to separate, in a fixed order.

    Args:
        inputs: files, and folders that are searched with their subfolders; hidden files and `out` are left out.
        manifest: JSON lines with a path under `audio`, `mix`, `path` or `video`, and optionally an `id`.
        out: the output folder.
        pattern: what names of files in folders must match, such as `*.wav`; None takes all audio and video suffixes.

    Raises:
        UsageError: an input is missing, a folder holds nothing that matches, the output folder is an input.
    """
    found: list[Source] = []
    several = sum(place.is_dir() for place in inputs) > 1
    for place in inputs:
        if place.is_dir():
            if place.resolve() == out.resolve():
                raise UsageError(f"--out {out} is an input folder: choose another one")
            base = place.resolve().parent if several else place.resolve()
            inside = [Source(path, path.resolve().parent.relative_to(base).joinpath(path.name).as_posix())
                      for path in walk_media(place, out, pattern)]  # fmt: skip
            if not inside:
                what = f"file that matches {pattern!r}" if pattern else "audio or video file"
                raise UsageError(f"{place} holds no {what}")
            found += inside
        elif place.exists():
            found.append(Source(place, place.name))
        else:
            raise UsageError(f"there is no file or folder {place}")
    if manifest is not None:
        found += _rows(manifest)
    if not found:
        raise UsageError("nothing to separate: name files or folders, or a --manifest")
    return _distinct(found)


def output_row(source: Source, out: Path, files: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The row of the manifest in `out`: the source's, with paths relative to `out`, the stems and `facts`."""
    row = dict(source.row or {})
    for key in (*PATH_KEYS, "speech", "sfx"):
        if isinstance(row.get(key), str):
            row[key] = _relative(Path(row[key]), out)
    assert source.path is not None
    if source.row is None:
        kind = "video" if source.path.suffix.lower() in VIDEO_SUFFIXES else "audio"
        row[kind] = _relative(source.path, out)
    return {"id": source.name, **row, **files, **facts}


def walk_media(folder: Path, out: Path, pattern: str | None) -> Iterator[Path]:
    """Media in a folder and its subfolders in a fixed order, hidden files and `out` left out."""
    inside = out.resolve()
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (Path(place) / f).resolve() != inside)
        for name in sorted(names):
            wanted = fnmatch.fnmatch(name, pattern) if pattern else Path(name).suffix.lower() in KNOWN
            if wanted and not name.startswith("."):
                yield Path(place) / name


def _rows(manifest: Path) -> Iterator[Source]:
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the manifest {manifest}: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _row(line, f"{manifest.stem}-{number:06d}", f"{manifest}, line {number}", manifest.parent)


def _row(line: str, default: str, where: str, folder: Path) -> Source:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return Source(None, default, fault=f"{where} is not JSON: {error}")
    if not isinstance(row, dict):
        return Source(None, default, fault=f"{where} is no JSON object")
    path = next((row[key] for key in PATH_KEYS if isinstance(row.get(key), str)), None)
    if path is None:
        return Source(None, default, fault=f"{where} names no recording: it has none of {', '.join(PATH_KEYS)}")
    paths = {key: str(folder / row[key]) for key in (*PATH_KEYS, "speech", "sfx") if isinstance(row.get(key), str)}
    try:
        name = "/".join(map(check_id, str(row["id"]).split("/"))) if "id" in row else Path(path).name
    except UsageError as error:
        return Source(None, default, fault=f"{where}: {error}")
    return Source(folder / path, name, row | paths)


def _distinct(sources: Iterable[Source]) -> list[Source]:
    """Names without their suffixes where those are distinct, with them where not; the rest cannot be told apart."""
    sources = list(sources)
    short = Counter(_stem(source) for source in sources)
    sources = [replace(source, name=_stem(source) if short[_stem(source)] == 1 else source.name) for source in sources]
    seen: dict[str, Source] = {}
    for source in sources:
        other = seen.setdefault(source.name, source)
        if other is not source:
            raise UsageError(f"{other.path} and {source.path} would both be written to {source.name}")
    return sources


def _stem(source: Source) -> str:
    has_id = source.path is None or (source.row is not None and "id" in source.row)
    return source.name if has_id else source.name[: len(source.name) - len(Path(source.name).suffix)] or source.name


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


KNOWN = frozenset((*AUDIO_SUFFIXES, *VIDEO_SUFFIXES))
