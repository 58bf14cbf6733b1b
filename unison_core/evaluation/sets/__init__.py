"""Benchmark sets in the layout of Harmony-Bench: ambient sound, speech, and scenes with both (Harmony C.1).

A set is a manifest (see `inputs.py`) whose rows have `subset` and the prompt, and no clip:

    {id, subset: ambient|speech|complex, video_caption, audio_caption, spoken_word_en | spoken_word_zh,
     reference: {image, voice, video, sound}, duration, seed}

or a folder with one such file a subset: `ambient.jsonl`, `speech.jsonl`, `complex.jsonl`.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from unison_core.errors import UsageError
from unison_core.evaluation.inputs import read_manifest
from unison_core.evaluation.item import Item

AMBIENT, SPEECH, COMPLEX = "ambient", "speech", "complex"
SUBSETS = (AMBIENT, SPEECH, COMPLEX)
NANO_BENCH = "nano-bench"
BUNDLED = {NANO_BENCH: Path(__file__).with_name("nano-bench.jsonl")}


def load_set(name: str) -> list[Item]:
    """Items of a bundled set, or of a set's manifest or folder.

    Raises:
        UsageError: there is no such set, or an item lacks what its subset asks for.
    """
    path = BUNDLED.get(name) or Path(name)
    if path.is_dir():
        files = [path / f"{subset}.jsonl" for subset in SUBSETS if (path / f"{subset}.jsonl").is_file()]
        items = [replace(item, kind=item.kind or file.stem) for file in files for item in read_manifest(file)]
    elif path.is_file():
        items = read_manifest(path)
    else:
        raise UsageError(f"there is no set {name!r}: bundled is {', '.join(BUNDLED)}, or name a manifest or its folder")
    if not items:
        raise UsageError(f"set {name} holds none of {', '.join(f'{subset}.jsonl' for subset in SUBSETS)}")
    for item in items:
        _check(item)
    if len({item.id for item in items}) < len(items):
        raise UsageError(f"set {name}: two items have one id")
    return items


def counts(items: list[Item]) -> Counter[str]:
    """Items by subset."""
    return Counter(item.kind or "" for item in items)


def first_of_each(items: list[Item], limit: int) -> list[Item]:
    """The first `limit` items, taken in turn from the subsets, so that a short run sees all of them."""
    by_kind: dict[str | None, list[Item]] = {}
    for item in items:
        by_kind.setdefault(item.kind, []).append(item)
    turns = [group[i] for i in range(len(items)) for group in by_kind.values() if i < len(group)]
    chosen = {item.id for item in turns[:limit]}
    return [item for item in items if item.id in chosen]


def _check(item: Item) -> None:
    if item.kind not in SUBSETS:
        raise UsageError(f"item {item.id}: subset {item.kind!r} is none of {', '.join(SUBSETS)}")
    if item.kind == AMBIENT and item.transcript:
        raise UsageError(f"item {item.id}: an ambient item has no transcript")
    if item.kind != AMBIENT and not item.transcript:
        raise UsageError(f"item {item.id}: a {item.kind} item needs a transcript (spoken_word_en or spoken_word_zh)")
    if not item.caption and item.kind != SPEECH:
        raise UsageError(f"item {item.id}: a {item.kind} item needs video_caption and audio_caption")
