"""Parts of the work: each makes its shards and then its record; what is finished is skipped, nothing is half there."""

import errno
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unison_core.errors import UnisonError
from unison_core.media.audio_writer import DISK_FULL
from unison_core.preparation.encoding import ClipEncoder
from unison_core.preparation.ready import ReadyClip
from unison_core.preparation.reasons import UNREADABLE, Rejected
from unison_core.preparation.records import PartRecord, ShardRecord, write_record
from unison_core.preparation.timings import Timings
from unison_core.training.shard_format import Sample, ShardInfo, write_shard


@dataclass(frozen=True, kw_only=True)
class ShardWriting:
    """Where shards go and how large they are.

    Attributes:
        out: folder.
        info: what all of them have in common.
        clips: per shard, at most.
        unsaid: features of an empty caption, where captions are external.
    """

    out: Path
    info: ShardInfo
    clips: int
    unsaid: Mapping[str, np.ndarray] | None = None


def write_part(
    part: str,
    digest: str,
    clips: Iterable[ReadyClip | Rejected],
    encoder: ClipEncoder,
    writing: ShardWriting,
    timings: Timings,
    *,
    max_phonemes: int,
    single: bool = False,
    tell: Callable[[], None] = lambda: None,
) -> PartRecord:
    """Encode a part's clips into its shards.

    Args:
        part: name. digest: of what it is made from.
        clips: in order; a `Rejected` is counted.
        encoder, writing, timings: shared by all parts.
        max_phonemes: clips with more tokens to say are left out.
        single: the one shard is called like the part.
        tell: called after every shard.

    Raises:
        UnisonError: no space is left.
    """
    began, record, number = time.perf_counter(), PartRecord(digest=digest), 0
    before, rejected, waiting, held = timings.seconds, Counter[str](), list[Sample](), 0

    def finish() -> None:
        nonlocal number, held
        held = 0
        for sample in encoder.flush():
            if len(sample.meta["phoneme_ids"]) > max_phonemes:
                rejected["many_words"] += 1
            else:
                record.count(sample.meta)
                waiting.append(sample)
        if waiting:
            path = writing.out / (f"{part}.tar" if single else f"{part}-{number:03d}.tar")
            with timings.measure("write"), no_space_named(writing.out):
                entries = write_shard(path, waiting, writing.info, writing.unsaid)
            record.shards.append(ShardRecord.of(path, waiting, entries))
            number += 1
            waiting.clear()
        tell()

    for clip in clips:
        if isinstance(clip, Rejected):
            rejected[clip.reason] += 1
            if clip.reason == UNREADABLE:
                record.failures.append((clip.source, str(clip)))
            continue
        encoder.add(clip)
        held += 1
        if held == writing.clips:
            finish()
    finish()
    record.rejected = rejected
    record.seconds = {name: s - before.get(name, 0.0) for name, s in timings.seconds.items()}
    record.wall_s = time.perf_counter() - began
    with no_space_named(writing.out):
        write_record(writing.out, part, record)
    return record


def measured(items: Iterable[ReadyClip | Rejected], timings: Timings) -> Iterator[ReadyClip | Rejected]:
    """The same items; the time that it takes to get each is what encoding waits for."""
    iterator = iter(items)
    while True:
        with timings.measure("wait for media"):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


@contextmanager
def no_space_named(out: Path) -> Iterator[None]:
    """Turn a full disk into one line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UnisonError(f"{DISK_FULL} at {out}: make room and run the same command again") from error
        raise UnisonError(f"{out} cannot be written to: {error.strerror or error}") from error
