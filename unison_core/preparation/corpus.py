"""Clips of the procedural corpus -> shards: streamed from drawing to latents, no media on disk."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from unison_core.corpus.sample import CorpusItem
from unison_core.corpus.stream import stream_items
from unison_core.pipelines.share import Share
from unison_core.preparation.encoding import ClipEncoder
from unison_core.preparation.parts import ShardWriting, measured, write_part
from unison_core.preparation.ready import ReadyClip, made_still
from unison_core.preparation.records import read_record, write_index
from unison_core.preparation.timings import Timings

MAX_PHONEMES = 10_000
"""The corpus speaks nothing that is too long."""


@dataclass(frozen=True, kw_only=True)
class CorpusRun:
    """Which clips, and how they are made.

    Attributes:
        count: clips. first_seed: seed of the first one.
        split: `train` or `held_out`.
        workers: processes that draw, speak and sound; 0 uses none.
        variants: clips in a row that share an utterance under another look and other sounds.
        sentences: more training sentences, a text file or a folder of fortunes.
        with_video: False draws no pictures, which is all that stage 1 needs and much faster.
        p_static: share of clips that become pairs of a static picture and silence.
    """

    count: int
    first_seed: int = 0
    split: str = "train"
    workers: int = 1
    variants: int = 1
    sentences: Path | None = None
    with_video: bool = True
    p_static: float = 0.03


def prepare_corpus(
    run: CorpusRun,
    encoder: ClipEncoder,
    writing: ShardWriting,
    *,
    share: Share,
    timings: Timings,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Make the shards that are missing; returns the number of clips written by this process.

    Shard k holds the clips of seeds first + k * clips ..., in order, whatever else is made: runs may overlap, stop and
    go on. Processes take turns in runs of shards.
    """
    starts = range(run.first_seed, run.first_seed + run.count, writing.clips)
    own = range(len(starts) * share.rank // share.count, len(starts) * (share.rank + 1) // share.count)
    missing = [starts[k] for k in own if not _finished(run, starts[k], writing)]
    done, total = 0, sum(min(writing.clips, run.first_seed + run.count - start) for start in missing)
    for start, clips in _shards(run, missing, writing.clips):
        record = write_part(
            _part(run, start), _digest(run, start, writing.clips), measured(clips, timings), encoder, writing, timings,
            max_phonemes=MAX_PHONEMES, single=True,
        )  # fmt: skip
        done += sum(len(shard.keys) for shard in record.shards)
        progress(done, total)
    write_index(writing.out)
    return done


def _finished(run: CorpusRun, start: int, writing: ShardWriting) -> bool:
    record = read_record(writing.out, _part(run, start))
    return record is not None and record.digest == _digest(run, start, writing.clips)


def _part(run: CorpusRun, start: int) -> str:
    return f"corpus-{run.split}-{start:08d}"


def _digest(run: CorpusRun, start: int, size: int) -> str:
    return f"seeds {start} to {min(start + size, run.first_seed + run.count) - 1}"


def _shards(run: CorpusRun, starts: Sequence[int], size: int) -> Iterator[tuple[int, Iterator[ReadyClip]]]:
    """Missing shards with their clips; workers stay busy across shards that follow each other."""
    for first, last in _runs(starts, size):
        wanted = min(last, run.first_seed + run.count) - first
        items = stream_items(
            run.split, first, wanted, run.workers, run.with_video, variants=run.variants, extra=run.sentences
        )
        seeded = zip(range(first, first + wanted), items, strict=True)
        for start, group in groupby(seeded, key=lambda pair: first + (pair[0] - first) // size * size):
            yield start, (ready(item, run.p_static) for _, item in group)


def _runs(starts: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Join missing shards that follow each other into (first seed, end seed) runs."""
    runs: list[tuple[int, int]] = []
    for start in starts:
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], start + size)
        else:
            runs.append((start, start + size))
    return runs


def ready(item: CorpusItem, p_static: float) -> ReadyClip:
    """A clip of the corpus as it is encoded; static pairs are drawn by the clip's own seed, whatever the order."""
    scene = item.scene
    facts = {"voice": scene.voice, "action": scene.action, "ambience": scene.ambience, "events_s": scene.events_s,
             "look": asdict(scene.look), "static": False}  # fmt: skip
    clip = ReadyClip(
        key=f"{scene.seed:08d}", frames=item.clip.frames, count=scene.frames, stems=item.clip.stems,
        caption=scene.caption, transcript=scene.transcript, span_s=scene.span_s, facts=facts,
    )  # fmt: skip
    drawn = np.random.default_rng((scene.seed, 1)).random()
    return made_still(clip) if drawn < p_static else clip
