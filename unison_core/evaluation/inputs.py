"""What is to be judged, as items: a folder of our clips or of anybody's videos, or a manifest.

A manifest is JSONL; a row names files relative to it and says what is known:

    {id, video, sound, speech, sfx, caption, audio_caption, video_caption, transcript, language, kind, duration, seed,
     reference: {video, sound, speech, sfx, image, voice}}

Only `id` or `video` must be there. Rows of `unison corpus` are such rows and carry their truth with them. Where a model
is to make the clips, rows of `unison generate --prompts` are understood with all their settings.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from unison_core.corpus.scene import Look, Phone, Scene
from unison_core.errors import UnisonError, UsageError
from unison_core.evaluation.item import CHINESE, ENGLISH, FILES, SFX, SOUND, SPEECH, VIDEO, Item
from unison_core.pipelines.generation import GATES, MIX_FILE, RECORD, VIDEO_FILE
from unison_core.pipelines.naming import slug
from unison_core.pipelines.prompts_file import SPELLED
from unison_core.pipelines.request import GenerateRequest

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
MANIFEST = "manifest.jsonl"
TEXTS = ("caption", "audio_caption", "video_caption", "transcript")
FROM_CLIP = ("caption", "transcript", "duration_s", "seed")
"""What a clip's record says, where the set does not."""
SPOKEN = {"spoken_word_en": ENGLISH, "spoken_word_zh": CHINESE}
"""Harmony-Bench's keys of transcripts, and their language."""
KEYS = ("id", "kind", "subset", "language", "duration", "seed", "reference", "scene", *FILES, *TEXTS, *SPOKEN)
SETTINGS = tuple({*SPELLED, *(f.name for f in fields(GenerateRequest))} - {*KEYS, "duration_s", "span_s"})
"""Keys of a prompts file that say how a clip is made."""
SCENE_KEYS = ("look", "frames", "fps", "seed", "action", "caption")


def read_items(source: Path, *, prompts: bool = False) -> list[Item]:
    """Items of a folder or a manifest; `prompts` allows rows that say how a clip is to be made.

    Raises:
        UsageError: there is nothing to judge, or a row is broken.
    """
    if source.is_file() and source.suffix.lower() in (".jsonl", ".json"):
        return read_manifest(source, prompts=prompts)
    if source.is_file() and source.suffix.lower() in VIDEO_SUFFIXES:
        return [_plain(source)]
    if not source.is_dir():
        raise UsageError(f"{source} is no folder, manifest (.jsonl) or video")
    if (source / MANIFEST).is_file():
        return read_manifest(source / MANIFEST)
    items = [generation(source)] if _is_generation(source) else []
    items = items or [generation(folder) for folder in sorted(source.iterdir()) if _is_generation(folder)]
    items = items or [
        _plain(path) for path in sorted(source.iterdir())
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    ]  # fmt: skip
    if not items:
        raise UsageError(f"{source} holds no clips: neither folders with {RECORD}, nor a {MANIFEST}, nor videos")
    return _distinct(items, str(source))


def _is_generation(folder: Path) -> bool:
    return (folder / RECORD).is_file() or ((folder / VIDEO_FILE).is_file() and (folder / MIX_FILE).is_file())


def generation(folder: Path) -> Item:
    """A clip that this project made, with what its record says was asked for."""
    record: dict[str, Any] = {}
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {}  # judged without what was asked for
    request = record.get("request", {}) if isinstance(record, dict) else {}
    files = {VIDEO: VIDEO_FILE, SOUND: MIX_FILE, SPEECH: "speech.wav", SFX: "sfx.wav"}
    return Item(
        id=folder.name,
        files={kind: folder / name for kind, name in files.items() if (folder / name).is_file() or kind == VIDEO},
        caption=request.get("caption"),
        transcript=_words(request),
        duration_s=request.get("duration_s"),
        seed=request.get("seed"),
        gates=folder / GATES if (folder / GATES).is_file() else None,
    )


def _words(request: Mapping[str, Any]) -> str | None:
    """The transcript; None where speech was given without one: what it says is then not known, which is not nothing."""
    given = request.get("given") or {}
    spoken = given.get("speech") or given.get("audio") or given.get("keep") == SPEECH
    words: str | None = request.get("transcript")
    return words or (None if spoken else words)


def read_manifest(path: Path, *, prompts: bool = False) -> list[Item]:
    """Items of a manifest; a last line that was cut off is left out."""
    items: list[Item] = []
    for number, row in _rows(path):
        try:
            if prompts and "id" not in row:
                row = {"id": f"{len(items) + 1:04d}-{slug(row.get('caption') or row.get('transcript') or '')}", **row}
            items.append(item_of(row, path.parent, SETTINGS if prompts else ()))
        except (UsageError, TypeError, ValueError, KeyError) as error:
            raise UsageError(f"{path}, line {number}: {error}") from error
    if not items:
        raise UsageError(f"{path} holds no row")
    return _distinct(items, str(path))


def item_of(row: Mapping[str, Any], folder: Path, settings: Sequence[str] = ()) -> Item:
    """The item of a manifest's row whose paths are relative to `folder`; raises UsageError for what makes no sense.

    Args:
        row: the row. folder: of the manifest.
        settings: further keys that say how the clip is to be made.
    """
    corpus = all(key in row for key in SCENE_KEYS)
    allowed = (*KEYS, *settings)
    if not corpus and (unknown := [key for key in row if key not in allowed]):
        raise UsageError(f"unknown key {unknown[0]!r}; there are: {', '.join(allowed)}")
    name = row.get("id") or (Path(row["video"]).stem if row.get("video") else None)
    if not name:
        raise UsageError("a row needs an id or a video")
    texts = {key: row.get(key) for key in TEXTS}
    if any(value is not None and not isinstance(value, str) for value in texts.values()):
        raise UsageError(f"captions and transcripts are texts, in {name}")
    language = row.get("language", ENGLISH)
    for key, tongue in SPOKEN.items():
        if row.get(key):
            texts["transcript"], language = row[key], tongue
    if texts["caption"] is None and (texts["video_caption"] or texts["audio_caption"]):
        texts["caption"] = " ".join(text for text in (texts["video_caption"], texts["audio_caption"]) if text)
    scene = row if corpus else row.get("scene")
    reference = row.get("reference")
    return Item(
        id=str(name),
        files=_files(row, folder),
        kind=row.get("kind") or row.get("subset"),
        language=language,
        duration_s=row["frames"] / row["fps"] if corpus else _seconds(row.get("duration")),
        settings={key: row[key] for key in ("duration", *settings) if key in row},
        seed=row.get("seed"),
        scene=scene_of(scene) if scene else None,
        reference=Item(id=f"{name} reference", files=_files(reference, folder)) if reference else None,
        **texts,
    )


def scene_of(row: Mapping[str, Any]) -> Scene:
    """The corpus' truth in a row of its manifest."""
    return Scene(
        seed=row["seed"], frames=row["frames"], fps=row["fps"], look=Look(**row["look"]), voice=row.get("voice"),
        transcript=row.get("transcript", ""), phones=tuple(Phone(name=n, start_s=a, end_s=b) for n, a, b in
                                                          row.get("phones", ())),
        span_s=tuple(row["span_s"]) if row.get("span_s") else None, action=row.get("action"),
        events_s=tuple(row.get("events_s", ())), ambience=row.get("ambience"), caption=row["caption"],
    )  # fmt: skip


def join(wanted: list[Item], found: list[Item]) -> list[Item]:
    """The items of a set with the files of clips of the same ids; what is not there keeps no file and is told of."""
    by_id = {item.id: item for item in found}
    if not any(item.id in by_id for item in wanted):
        example = found[0].id if found else "nothing"
        raise UsageError(f"no clip is named as an item of the set: there is {example}, asked for is {wanted[0].id}")
    joined = []
    for item in wanted:
        clip = by_id.get(item.id)
        missing = {VIDEO: Path(f"{item.id}.mp4")}
        if clip is None:
            joined.append(replace(item, files=missing))
            continue
        known = {name: getattr(item if getattr(item, name) is not None else clip, name) for name in FROM_CLIP}
        joined.append(replace(item, files=clip.files, gates=clip.gates, **known))
    return joined


def _seconds(value: Any) -> float | None:
    """A duration that is a number; `auto` is none."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnisonError(f"manifest {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise UsageError(f"{path}, line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UsageError(f"{path}, line {number} is no JSON object")
        yield number, row


def _files(row: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    return {kind: folder / row[kind] for kind in FILES if row.get(kind)}


def _plain(path: Path) -> Item:
    """Any video, with `NAME.speech.wav`, `NAME.sfx.wav` and `NAME.wav` beside it where they are."""
    beside = {SPEECH: ".speech.wav", SFX: ".sfx.wav", SOUND: ".wav"}
    found = {kind: path.with_name(path.stem + suffix) for kind, suffix in beside.items()}
    return Item(id=path.stem, files={VIDEO: path} | {kind: file for kind, file in found.items() if file.is_file()})


def _distinct(items: list[Item], where: str) -> list[Item]:
    seen = set()
    for item in items:
        if item.id in seen:
            raise UsageError(f"{where}: two clips are called {item.id}")
        seen.add(item.id)
    return items
