"""What `unison prepare` reads: rows of manifests, and media in folders with the files that lie beside them.

    NAME.mp4 (or any media)            NAME.speech.wav, NAME.sfx.wav: its stems
    NAME.caption.txt, NAME.txt: its caption            NAME.transcript.txt, NAME.lab: its words
    NAME.srt, NAME.vtt: its words with times           NAME.json: any of a row's keys

Texts are also looked for beside the recording of a row that says nothing of its words: manifests of `unison separate`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from unison_core.errors import UsageError, one_line
from unison_core.pipelines.separation_items import AUDIO_SUFFIXES, VIDEO_SUFFIXES, walk_media
from unison_core.preparation.subtitles import Segment, parse_subtitles

STEM_MARKS = (".speech", ".sfx")
RECORDING_KEYS = ("video", "audio", "mix", "path")
TEXT_KEYS = ("caption", "transcript", "segments", "span_s", "voice", "speaker")
FILE_KEYS = ("video", "audio", "mix", "path", "speech", "sfx")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One recording, or one row of a manifest.

    Attributes:
        name: for messages and for the record.
        video, audio, speech, sfx: files; `audio` is the recording's sound, None where it is the video's own.
        caption: what is seen and heard; None where nothing says.
        transcript: the words, without times; None where nothing says, empty where nobody speaks.
        segments: the words with times, in place of `transcript`.
        span_s: when the transcript is spoken, from the clip's start.
        voice: who speaks.
        start_s, end_s: the part of the recording that is meant; None is its beginning, and its end.
    """

    name: str
    video: Path | None = None
    audio: Path | None = None
    speech: Path | None = None
    sfx: Path | None = None
    caption: str | None = None
    transcript: str | None = None
    segments: tuple[Segment, ...] | None = None
    span_s: tuple[float, float] | None = None
    voice: str | None = None
    start_s: float | None = None
    end_s: float | None = None

    @property
    def sound(self) -> Path | None:
        """The file with the whole recording's sound."""
        return self.audio or self.video


Line = tuple[Path, int, str] | Path
"""A manifest's line (manifest, number, text), or a media file."""


@dataclass(frozen=True, kw_only=True)
class SourceList:
    """All sources in a fixed order, read as a stream: memory does not grow with a manifest's length."""

    manifests: tuple[Path, ...]
    media: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.media) + sum(_count_lines(manifest) for manifest in self.manifests)

    def lines(self) -> Iterator[Line]:
        """What `parse` takes, one for each source."""
        return chain(chain.from_iterable(map(_lines, self.manifests)), self.media)


def list_sources(inputs: Sequence[Path], pattern: str | None, out: Path) -> SourceList:
    """Sort out what was named.

    Args:
        inputs: manifests (`.jsonl`), media files, and folders that are searched with their subfolders.
        pattern: what names of files in folders must match; None takes all audio and video.
        out: the output folder, which is left out.

    Raises:
        UsageError: an input is missing, or a folder holds nothing.
    """
    manifests, media = [], []
    for place in inputs:
        if place.is_dir():
            inside = [p for p in walk_media(place, out, pattern) if not p.stem.endswith(STEM_MARKS)]
            if not inside:
                raise UsageError(f"{place} holds no " + (f"file that matches {pattern!r}" if pattern else "media file"))
            media += inside
        elif not place.is_file():
            raise UsageError(f"there is no file or folder {place}")
        elif place.suffix == ".jsonl":
            manifests.append(place)
        else:
            media.append(place)
    if not manifests and not media:
        raise UsageError("nothing to prepare: name a manifest, media files or folders, or --count clips of the corpus")
    return SourceList(manifests=tuple(manifests), media=tuple(media))


def parse(line: Line) -> Source:
    """A source with what lies beside it; raises UsageError where the row or a file beside is wrong."""
    if isinstance(line, Path):
        return _beside(line)
    manifest, number, text = line
    where = f"{manifest}, line {number}"
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise UsageError(f"{where} is no JSON object")
    recording = next((row[key] for key in RECORDING_KEYS if isinstance(row.get(key), str)), None)
    if recording is not None and not row.keys() & {"transcript", "segments"}:
        row = {k: v for k, v in _told_beside(manifest.parent / recording).items() if k in TEXT_KEYS} | row
    return _from_row(row, manifest.parent, str(row.get("id") or f"{manifest.stem}-{number:06d}"), where)


def _from_row(row: Mapping[str, Any], folder: Path, name: str, where: str) -> Source:
    try:
        files = {key: folder / row[key] for key in FILE_KEYS if row.get(key)}
        general = files.get("path")
        if general is not None:
            files.setdefault("video" if general.suffix.lower() in VIDEO_SUFFIXES else "audio", general)
        segments, span = row.get("segments"), row.get("span_s")
        source = Source(
            name=name,
            video=files.get("video"), audio=files.get("audio") or files.get("mix"),
            speech=files.get("speech"), sfx=files.get("sfx"),
            caption=_text(row, "caption"), transcript=_text(row, "transcript"),
            segments=None if segments is None else tuple(sorted(map(_segment, segments), key=lambda s: s.start_s)),
            span_s=None if span is None else (float(span[0]), float(span[1])),
            voice=_text(row, "voice") or _text(row, "speaker"),
            start_s=None if row.get("start_s") is None else float(row["start_s"]),
            end_s=None if row.get("end_s") is None else float(row["end_s"]),
        )  # fmt: skip
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise UsageError(f"{where}: {one_line(error, None) or type(error).__name__}") from error
    if not any((source.video, source.audio, source.speech, source.sfx)):
        raise UsageError(f"{where} names no media: it has none of {', '.join(FILE_KEYS)}")
    return source


def _beside(path: Path) -> Source:
    row: dict[str, Any] = {"video" if path.suffix.lower() not in AUDIO_SUFFIXES else "audio": path.name}
    for mark in STEM_MARKS:
        found = sorted(p for p in path.parent.glob(f"{_escaped(path.stem)}{mark}.*") if p.suffix in AUDIO_SUFFIXES)
        if found:
            row[mark[1:]] = found[0].name
    return _from_row(row | _told_beside(path), path.parent, path.name, str(path))


def _told_beside(path: Path) -> dict[str, Any]:
    """What the files beside a recording say, by a row's keys."""

    def read(*suffixes: str) -> str | None:
        for suffix in suffixes:
            beside = path.with_name(path.stem + suffix)
            if beside.is_file():
                try:
                    return beside.read_text(encoding="utf-8")
                except (OSError, UnicodeDecodeError) as error:
                    raise UsageError(f"{beside} cannot be read: {error}") from error
        return None

    texts = {"caption": read(".caption.txt", ".txt"), "transcript": read(".transcript.txt", ".lab")}
    row: dict[str, Any] = {key: " ".join(text.split()) for key, text in texts.items() if text is not None}
    timed, told = read(".srt", ".vtt"), read(".json")
    try:
        if timed is not None:
            row["segments"] = [{**vars(segment), "start": segment.start_s, "end": segment.end_s}
                               for segment in parse_subtitles(timed)]  # fmt: skip
        return row if told is None else row | dict(json.loads(told))
    except (ValueError, TypeError) as error:
        raise UsageError(f"what lies beside {path} cannot be used: {error}") from error


def _segment(row: Mapping[str, Any]) -> Segment:
    start, end = (row[key] if key in row else row[f"{key}_s"] for key in ("start", "end"))
    voice = row.get("voice", row.get("speaker"))
    return Segment(
        start_s=float(start), end_s=float(end), text=str(row["text"]), voice=None if voice is None else str(voice)
    )


def _text(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    if value is not None and not isinstance(value, (str, int)):
        raise TypeError(f"{key} must be a text, not {value!r}")
    return None if value is None else str(value)


def _escaped(name: str) -> str:
    """A name as a pattern that matches itself alone."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _lines(manifest: Path) -> Iterator[Line]:
    try:
        with manifest.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield manifest, number, text
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the manifest {manifest}: {error}") from error


def _count_lines(manifest: Path) -> int:
    return sum(1 for _ in _lines(manifest))
