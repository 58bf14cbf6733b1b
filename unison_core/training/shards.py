"""The in-memory pool of latents that training draws from, filled from a folder of shards by several threads.

Shards appear under their final name when they are complete, so a pool may follow a folder that `prepare` is filling.
"""

import math
import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import fsspec
import torch
from torch import Tensor

from unison_core.errors import UsageError
from unison_core.training.objective import LatentBatch
from unison_core.training.reference_pairs import ReferencePairs, draw_references
from unison_core.training.shard_format import (
    CAPTION_IDS,
    FRAMES,
    PHONEME_IDS,
    PHONEME_WEIGHTS,
    SPAN,
    STATIC,
    VOICE,
    parse,
    read_contents,
    read_into,
)
from unison_core.types import STREAMS, VIDEO, TextInputs

READERS = 4
"""Threads that read shards; each holds one shard, so this bounds host memory."""
GROWTH = 1.25
"""A full bucket is made this much larger, so that clips which arrive one by one are not copied each time."""

Fields = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class LoadedShard:
    """Clips of one shard by frames; their tensors lie in `memory`, which is used again for another shard."""

    clips: Mapping[int, Sequence[Fields]]
    memory: bytearray


class Staging:
    """Host memory that rows are stacked in on their way to the device; it is kept, since new memory is slow."""

    def __init__(self, device: torch.device) -> None:
        self._pinned = device.type == "cuda"
        self._flat: Fields = {}

    def stack(self, name: str, rows: Sequence[Tensor]) -> Tensor:
        """Rows as one tensor, valid until the next call for `name`."""
        shape = (len(rows), *rows[0].shape)
        count = math.prod(shape)
        held = self._flat.get(name)
        if held is None or len(held) < count:
            held = self._flat[name] = torch.empty(count, dtype=rows[0].dtype, pin_memory=self._pinned)
        return torch.stack(list(rows), out=held[:count].view(shape))


class Bucket:
    """Clips of one length on one device: tensors with room for more rows."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.fields: Fields = {}
        self.count = 0

    def append(self, rows: Sequence[Fields], staging: Staging, more: float = 0.0) -> None:
        """Add rows; what was handed out before stays valid. `more`: how many times as many are still to come."""
        room = len(self.fields[STATIC]) if self.fields else 0
        total = self.count + len(rows)
        if total > room:
            room = max(int(total * (1 + more)), int(room * GROWTH))
            self.fields = {name: self._grown(name, x, room) for name, x in rows[0].items()}
        for name, held in self.fields.items():
            held[self.count : total].copy_(staging.stack(name, [row[name] for row in rows]))
        self.count = total

    def _grown(self, name: str, like: Tensor, room: int) -> Tensor:
        grown = torch.empty(room, *like.shape, dtype=like.dtype, device=self._device)
        if self.count:
            grown[: self.count].copy_(self.fields[name][: self.count])
        return grown


class LatentPool:
    """All latents of a folder of shards in the memory of one device, grouped by clip length.

    Args:
        folder: holds `*.tar`; a path or a URL that fsspec knows.
        device: where the latents live.
        streams: which streams to load.
        caption_length, phoneme_length: padded token counts.
        follow_s: look for new shards this often, in a thread; 0 reads the folder once.
        wait_for: number of samples to wait for before training starts.
        pairs: reference voices; None draws none. latent_rate_hz: audio latents per second, which they need.
    """

    def __init__(
        self,
        folder: Path | str,
        device: torch.device,
        *,
        streams: tuple[str, ...] = STREAMS,
        caption_length: int,
        phoneme_length: int = 96,
        follow_s: float = 0.0,
        wait_for: int = 1,
        pairs: ReferencePairs | None = None,
        latent_rate_hz: float = 0.0,
    ) -> None:
        self._device, self._streams = device, streams
        self._files, self._root = fsspec.core.url_to_fs(str(folder))
        self._folder = str(folder)
        self._caption_length, self._phoneme_length = caption_length, phoneme_length
        self._pairs, self._latent_rate_hz = pairs, latent_rate_hz
        self._with_video = VIDEO in streams
        self._seen: set[str] = set()
        self._staging = Staging(device)
        self._memory: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        for _ in range(READERS + 1):
            self._memory.put(bytearray())
        self._buckets: dict[int, Bucket] = {}
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        if not follow_s and not self._files.isdir(self._root):
            raise UsageError(f"no shards: {folder} is not a folder")
        self._scan()
        while follow_s and len(self) < wait_for:
            time.sleep(min(follow_s, 1.0))
            self._scan()
        if len(self) < max(wait_for, 1):
            raise UsageError(f"{folder} holds {len(self)} samples; at least {max(wait_for, 1)} are needed")
        if follow_s:
            threading.Thread(target=self._follow, args=(follow_s,), daemon=True).start()

    def __len__(self) -> int:
        with self._lock:
            return sum(bucket.count for bucket in self._buckets.values())

    def sample(self, count: int, generator: torch.Generator) -> LatentBatch:
        """Draw a batch of one clip length, lengths in proportion to their samples; generator on the CPU."""
        if self._failure:
            raise self._failure
        with self._lock:
            frames = sorted(self._buckets)
            sizes = torch.tensor([self._buckets[f].count for f in frames], dtype=torch.float)
            chosen = frames[int(torch.multinomial(sizes, 1, generator=generator))]
            held = self._buckets[chosen].count
            bucket = {name: x[:held] for name, x in self._buckets[chosen].fields.items()}
        drawn = torch.randint(held, (count,), generator=generator)
        index = drawn.to(self._device)
        latents = {s: bucket[s][index].float() for s in self._streams}
        text = TextInputs(
            caption_ids=bucket[CAPTION_IDS][index],
            phoneme_ids=bucket[PHONEME_IDS][index],
            phoneme_mask=bucket[PHONEME_IDS][index] > 0,
            phoneme_weights=bucket[PHONEME_WEIGHTS][index],
            span_s=bucket[SPAN][index],
            dropped=torch.zeros(count, dtype=torch.bool, device=self._device),
        )
        reference = None
        if self._pairs is not None and self._pairs.probability:
            reference = draw_references(self._pairs, bucket, drawn, self._latent_rate_hz, generator)
        return LatentBatch(latents=latents, text=text, frames=chosen, static=bucket[STATIC][index], reference=reference)

    def _follow(self, interval_s: float) -> None:
        while True:
            time.sleep(interval_s)
            try:
                self._scan()
            except BaseException as error:
                self._failure = error
                return

    def _scan(self) -> None:
        """Take in the shards that are new, in the order of their names."""
        self._files.invalidate_cache()
        found = self._files.glob(f"{self._root}/*.tar") if self._files.isdir(self._root) else []
        fresh = sorted(set(found) - self._seen)
        for path, shard in zip(fresh, self._load_all(fresh), strict=True):
            self._seen.add(path)
            more = (len(found) - len(self._seen)) / len(self._seen)
            with self._lock:
                for frames, rows in shard.clips.items():
                    self._buckets.setdefault(frames, Bucket(self._device)).append(rows, self._staging, more)
            self._memory.put(shard.memory)

    def _load_all(self, paths: Sequence[str]) -> Iterator[LoadedShard]:
        """Every shard's clips in order; a few shards are read at a time."""
        running = deque[Future[LoadedShard]]()
        with ThreadPoolExecutor(READERS) as threads:
            try:
                for path in paths:
                    running.append(threads.submit(self._load, path))
                    if len(running) > READERS:
                        yield running.popleft().result()
                while running:
                    yield running.popleft().result()
            finally:
                for future in running:
                    future.cancel()

    def _load(self, path: str) -> LoadedShard:
        clips: dict[int, list[Fields]] = defaultdict(list)
        memory = self._memory.get()
        with self._files.open(path, "rb") as file:
            entries = read_contents(file, path).entries
            wanted = [[entry.sound, *([entry.video] if self._with_video and entry.video else [])] for entry in entries]
            needed = sum(_aligned(size) for places in wanted for _, size in places)
            if len(memory) < needed:
                memory = bytearray(needed)
            view, end = memoryview(memory), 0
            for entry, places in zip(entries, wanted, strict=True):
                tensors: Fields = {}
                for place in places:
                    read_into(file, place, view[end : end + place[1]])
                    tensors |= parse(memory, end)
                    end += _aligned(place[1])
                clips[int(tensors[FRAMES])].append(self._fields(entry.key, tensors))
        return LoadedShard(clips=clips, memory=memory)

    def _fields(self, key: str, tensors: Mapping[str, Tensor]) -> Fields:
        missing = [s for s in self._streams if s not in tensors]
        if missing:
            raise UsageError(f"sample {key} in {self._folder} has no {missing[0]} latents")
        return {
            **{s: tensors[s] for s in self._streams},
            CAPTION_IDS: _padded(tensors[CAPTION_IDS], self._caption_length, torch.long),
            PHONEME_IDS: _padded(tensors[PHONEME_IDS], self._phoneme_length, torch.long),
            PHONEME_WEIGHTS: _padded(tensors[PHONEME_WEIGHTS], self._phoneme_length, torch.float),
            **{name: tensors[name] for name in (SPAN, STATIC, VOICE)},
        }


def _padded(values: Tensor, length: int, dtype: torch.dtype) -> Tensor:
    if len(values) > length:
        raise UsageError(f"a prompt has {len(values)} tokens, more than the {length} that training pads to")
    row = torch.zeros(length, dtype=dtype)
    row[: len(values)] = values
    return row


def _aligned(size: int) -> int:
    """Bytes that a member takes in memory: tensors begin at multiples of eight."""
    return -(-size // 8) * 8
