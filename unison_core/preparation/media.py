"""Media -> shards: sources in parts of a fixed size, parts dealt to processes in turn, clips read in threads.

Part k holds sources k * n ..., whatever processes there are, so the result does not depend on their number.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter

import numpy as np

from unison_core.ahead import ahead
from unison_core.errors import UnisonError
from unison_core.pipelines.share import Share
from unison_core.preparation.encoding import ClipEncoder
from unison_core.preparation.parts import ShardWriting, measured, write_part
from unison_core.preparation.ready import ReadSettings, ReadyClip, made_still, open_source, read_clip
from unison_core.preparation.reasons import UNREADABLE, Rejected
from unison_core.preparation.records import PartRecord, read_record, write_index
from unison_core.preparation.sources import Line, SourceList, parse
from unison_core.preparation.timings import Timings

Item = ReadyClip | Rejected


@dataclass(frozen=True, kw_only=True)
class MediaRun:
    """What is read, and how.

    Attributes:
        sources: in a fixed order. per_part: sources of a part; what is interrupted is made again from its part's start.
        settings: how media become clips.
        workers: threads that decode. ahead: clips that may lie ready, which bounds memory.
        p_static: share of clips that become pairs of a static picture and silence.
    """

    sources: SourceList
    per_part: int
    settings: ReadSettings
    workers: int
    ahead: int
    p_static: float


@dataclass(frozen=True)
class _Part:
    """A part that is to be made: its name, its number, and its lines."""

    name: str
    first: int
    digest: str
    lines: tuple[Line, ...]


def prepare_media(
    run: MediaRun,
    encoder: ClipEncoder,
    writing: ShardWriting,
    *,
    share: Share,
    timings: Timings,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[PartRecord]:
    """Make the parts that are missing; returns the records of this process's parts, finished ones included."""
    total, records = -(-len(run.sources) // share.count), list[PartRecord]()
    parts = list[_Part]()  # those under way, in order
    done = 0

    def missing() -> Iterator[_Part]:
        nonlocal done
        for part in _own_parts(run, share):
            record = read_record(writing.out, part.name)
            if record is not None and record.digest == part.digest:
                records.append(record)
                done += len(part.lines)
                progress(done, total)
                continue
            parts.append(part)
            yield part

    for _, group in groupby(_clips(run, missing(), timings), key=itemgetter(0)):
        part = parts.pop(0)
        for stale in writing.out.glob(f"{part.name}-*.tar"):
            stale.unlink()
        clips = (item for _, item in group if item is not None)
        records.append(
            write_part(part.name, part.digest, measured(clips, timings), encoder, writing, timings,
                       max_phonemes=run.settings.filters.max_phonemes)
        )  # fmt: skip
        done += len(part.lines)
        progress(done, total)
    write_index(writing.out)
    return records


def _own_parts(run: MediaRun, share: Share) -> Iterator[_Part]:
    lines = run.sources.lines()
    number = 0
    while chunk := tuple(islice(lines, run.per_part)):
        if number % share.count == share.rank:
            first = number * run.per_part
            yield _Part(f"media-{number:06d}", first, _digest(chunk), chunk)
        number += 1


def _digest(lines: tuple[Line, ...]) -> str:
    told = hashlib.blake2b(digest_size=8)
    for line in lines:
        told.update((line[2] if isinstance(line, tuple) else f"{line.name} {line.stat().st_size}").encode() + b"\n")
    return told.hexdigest()


def _clips(run: MediaRun, parts: Iterator[_Part], timings: Timings) -> Iterator[tuple[str, Item | None]]:
    """(part, clip) in order, read in threads across parts; every part ends with None."""

    def numbered() -> Iterator[tuple[str, int, Line | None]]:
        for part in parts:
            for place, line in enumerate(part.lines):
                yield part.name, part.first + place, line
            yield part.name, -1, None

    def opened(item: tuple[str, int, Line | None]) -> tuple[str, list[Callable[[], Item]]]:
        part, number, line = item
        return part, [] if line is None else _tasks(line, number, run, timings)

    def tasks() -> Iterator[tuple[str, Callable[[], Item] | None]]:
        for (part, number, _), (_, found) in _paired(numbered(), opened, run.workers):
            for task in found:
                yield part, task
            if number == -1:
                yield part, None

    return ahead(lambda item: (item[0], item[1] and item[1]()), tasks(), depth=run.ahead, threads=run.workers)


def _paired(items: Iterator, work: Callable, depth: int) -> Iterator:  # type: ignore[type-arg]
    """Items with what `work` makes of them, a few ahead."""
    return ahead(lambda item: (item, work(item)), items, depth=depth)


def _tasks(line: Line, number: int, run: MediaRun, timings: Timings) -> list[Callable[[], Item]]:
    """What is to be done for each clip of a source; faults of the source become one task that tells of them."""
    name = str(line) if not isinstance(line, tuple) else f"{line[0]}, line {line[1]}"
    try:
        with timings.measure("open media"):
            source, infos, pieces = open_source(parse(line), run.settings)
    except (UnisonError, Rejected) as error:
        found = error if isinstance(error, Rejected) else Rejected(UNREADABLE, str(error))
        found.source = name
        return [lambda: found]

    def read(place: int) -> Item:
        piece = pieces[place]
        if isinstance(piece, Rejected):
            return piece
        key = f"{number:08d}-{place:04d}"
        try:
            clip = read_clip(source, infos, piece, key, run.settings, timings)
        except Rejected as error:
            error.source = source.name
            return error
        return made_still(clip) if _is_static(key, run.p_static) else clip

    return [lambda place=place: read(place) for place in range(len(pieces))]  # type: ignore[misc]


def _is_static(key: str, share: float) -> bool:
    """Whether a clip becomes a static pair: a draw of its own name, whatever else is made."""
    seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
    return bool(np.random.default_rng((seed, 1)).random() < share)
