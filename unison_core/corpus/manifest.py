"""The corpus on disk: for every clip NAME.mp4, NAME.speech.wav and NAME.sfx.wav, and a row of `manifest.jsonl`.

A row holds everything that the scene knows. Media are complete before they get their name, and a row is written after
its media, so a run that was stopped goes on where it was.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from unison_core.corpus.mouth import mouth_opening
from unison_core.corpus.sample import CorpusItem, realise, sample_scenes
from unison_core.corpus.stream import spread
from unison_core.errors import UsageError
from unison_core.media.mix import MixSettings, mix_stems
from unison_core.media.mp4 import write_mp4
from unison_core.media.wav import write_wav

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True, kw_only=True)
class _Task:
    out: Path
    seeds: tuple[int, ...]
    split: str
    variants: int
    size: int
    extra: Path | None


def write_corpus(
    out: Path,
    count: int,
    *,
    seed: int = 0,
    held_out: bool = False,
    workers: int | None = None,
    variants: int = 1,
    size: int = 128,
    extra: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the clips of the seeds `seed .. seed + count - 1` into `out`, skipping those that its manifest lists.

    Args:
        out: folder, made where missing. Several calls with other seeds or splits may share it.
        count: number of clips.
        seed: the first clip's seed; a clip depends on its own seed and the split alone (and on `variants`, `extra`).
        held_out: draw from the sentences and combinations that training never sees.
        workers: processes; None takes one per core, 0 works in this one.
        variants: how many seeds in a row share one utterance.
        size: side of the picture in pixels.
        extra: more training sentences, as in `load_sentences`.
        progress: called with (clips done, clips asked for).

    Returns:
        The manifest: JSON lines with `id`, `seed`, `split`, `size`, `caption`, `transcript`, `span_s`, `voice`, `look`,
        `action`, `events_s`, `ambience`, `fps`, `frames`, `mouth_opening` (a value in [0, 1] per frame), `phones`
        (name, start_s, end_s) and the relative paths `video`, `speech`, `sfx`.

    Raises:
        UsageError: the folder holds clips of another size. UnisonError: flite, skia or ffmpeg is missing or fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    split = "held_out" if held_out else "train"
    done = _resume(out / MANIFEST, size)
    seeds = [s for s in range(seed, seed + count) if clip_id(s, split) not in done]
    groups = (tuple(group) for _, group in groupby(seeds, key=lambda s: s // variants))
    tasks = (_Task(out=out, seeds=g, split=split, variants=variants, size=size, extra=extra) for g in groups)
    finished = count - len(seeds)
    with open(out / MANIFEST, "a", encoding="utf-8") as manifest:
        for rows in spread(_write_clips, tasks, len(os.sched_getaffinity(0)) if workers is None else workers):
            for row in rows:
                manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
            manifest.flush()
            finished += len(rows)
            if progress:
                progress(finished, count)
    return out / MANIFEST


def read_manifest(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a manifest; a last line that was cut off is left out. Raises UsageError for any other broken line."""
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines[:-1], 1):  # what follows the last line end was never finished
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise UsageError(f"{path}, line {number} is not JSON: {error}") from error


def clip_id(seed: int, split: str) -> str:
    """Name of a clip, from which its files are named."""
    return f"{split}-{seed:08d}"


def _resume(path: Path, size: int) -> set[str]:
    """Ids of the finished clips; drops what a stopped run left half-written at the manifest's end."""
    if not path.exists():
        return set()
    rows = list(read_manifest(path))
    for row in rows:
        if row["size"] != size:
            raise UsageError(f"{path} lists clips of {row['size']} pixels, not {size}: choose another folder")
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        part = path.with_suffix(".part")
        part.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
        part.replace(path)
    return {row["id"] for row in rows}


def _write_clips(task: _Task) -> list[dict[str, Any]]:
    scenes = zip(task.seeds, sample_scenes(task.seeds, task.split, task.variants, task.extra), strict=True)
    return [_write(task, seed, realise(scene, said, size=task.size)) for seed, (scene, said) in scenes]


def _write(task: _Task, seed: int, item: CorpusItem) -> dict[str, Any]:
    scene, clip = item.scene, item.clip
    assert clip.frames is not None
    name = clip_id(seed, task.split)
    paths = {"video": f"{name}.mp4", **{stream: f"{name}.{stream}.wav" for stream in clip.stems}}
    parts = {key: task.out / f".part-{file}" for key, file in paths.items()}
    mix_part = task.out / f".part-{name}.mix.wav"
    mixed = mix_stems(clip.stems, clip.rate_hz, MixSettings())
    row = {
        "id": name,
        "seed": seed,
        "split": task.split,
        "size": task.size,
        "caption": scene.caption,
        "transcript": scene.transcript,
        "span_s": scene.span_s,
        "voice": scene.voice,
        "look": asdict(scene.look),
        "action": scene.action,
        "events_s": scene.events_s,
        "ambience": scene.ambience,
        "fps": scene.fps,
        "frames": scene.frames,
        "mouth_opening": [round(float(x), 4) for x in mouth_opening(scene)],
        "phones": [(p.name, p.start_s, p.end_s) for p in scene.phones],
        **paths,
    }
    try:
        for stream, samples in mixed.stems.items():
            write_wav(parts[stream], samples, clip.rate_hz)
        write_wav(mix_part, mixed.mix, clip.rate_hz)
        parts["video"].unlink(missing_ok=True)
        write_mp4(parts["video"], clip.frames, clip.fps, mix_part, {"caption": scene.caption, "id": name})
        for key, part in parts.items():
            part.replace(task.out / paths[key])
    finally:
        for part in (*parts.values(), mix_part):
            part.unlink(missing_ok=True)
    return row
