"""The in-memory pool of latents that training draws from, filled from a folder of shards by several threads.

Shards appear under their final name when they are complete, so a pool may follow a folder that `prepare` is filling.
"""

import math
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from unison_core.ahead import ahead
from unison_core.config import Preset
from unison_core.errors import UsageError
from unison_core.training.clip_fields import Fields, FieldSettings, make_batch
from unison_core.training.latent_checks import check_same
from unison_core.training.objective import LatentBatch
from unison_core.training.reference_pairs import ReferencePairs, Speakers, draw_partners, draw_stretch
from unison_core.training.shard_folder import ShardFolder
from unison_core.training.shard_format import (
    FRAMES,
    SPAN,
    STATIC,
    VOICE,
    ShardInfo,
    parse,
    read_at,
    read_contents,
    read_into,
)
from unison_core.types import SPEECH, STREAMS, VIDEO, CaptionFeatures

READERS = 4
"""Threads that read shards; each holds one shard, so this bounds host memory."""
GROWTH = 1.25
"""A full bucket is made this much larger, so that clips which arrive one by one are not copied each time."""

@dataclass(frozen=True, kw_only=True)
class LoadedShard:
    """Clips of one shard by frames; their tensors lie in `memory`, which is used again for another shard."""

    info: ShardInfo
    unsaid: Fields | None
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
        for name, x in (self.fields or rows[0]).items():
            other = next((row[name].shape for row in rows if row[name].shape != x.shape[bool(self.fields) :]), None)
            if other is not None:
                sizes = f"{tuple(x.shape[bool(self.fields) :])} and {tuple(other)}"
                raise UsageError(f"clips of one length have {name} of shapes {sizes}: prepare them with one --size")
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
        preset: what every clip's shapes are checked against; None checks none, and takes captions as tokens.

    Raises:
        UsageError: shards are missing, damaged, made by different codecs or for another preset, or there are too few.
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
        preset: Preset | None = None,
    ) -> None:
        self._device = device
        self._folder = ShardFolder(str(folder))
        self._settings = FieldSettings(
            streams=streams, caption_length=caption_length, phoneme_length=phoneme_length, preset=preset,
            external=preset is not None and preset.model.caption.kind == "external", where=str(folder),
        )  # fmt: skip
        self._pairs, self._latent_rate_hz = pairs or ReferencePairs(), latent_rate_hz
        self._speakers: dict[int, tuple[int, Speakers, list[int]]] = {}
        self._info: ShardInfo | None = None
        self._unsaid: CaptionFeatures | None = None
        self._seen: set[str] = set()
        self._staging = Staging(device)
        self._memory: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        for _ in range(READERS + 1):
            self._memory.put(bytearray())
        self._buckets: dict[int, Bucket] = {}
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        if not follow_s:
            self._folder.check()
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
        reference = self._reference(chosen, bucket, drawn.tolist(), generator) if self._pairs.probability else None
        index = drawn.to(self._device)
        rows = {name: x[index] for name, x in bucket.items() if name != VOICE}
        return make_batch(
            rows, chosen, self._settings.streams, self._device, reference=reference, unsaid=self._unsaid
        )  # fmt: skip

    def _reference(self, frames: int, bucket: Fields, drawn: list[int], generator: torch.Generator) -> Tensor | None:
        """Reference latents `(B, R, C)`, or None for a batch without."""
        held = len(bucket[VOICE])
        if frames not in self._speakers or self._speakers[frames][0] != held:
            voices = bucket[VOICE].cpu()
            self._speakers[frames] = (held, Speakers.of(voices), voices.tolist())
        _, speakers, who = self._speakers[frames]
        partners = draw_partners(self._pairs, speakers, [who[i] for i in drawn], drawn, generator)
        if partners is None:
            return None
        rows = torch.tensor(partners, device=self._device)
        stretch = draw_stretch(
            self._pairs, bucket[SPAN][rows].cpu(), bucket[SPEECH].shape[1], self._latent_rate_hz, generator
        )
        return bucket[SPEECH][rows[:, None], stretch.to(self._device)]

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
        found = self._folder.list()
        fresh = sorted(set(found) - self._seen)
        for path, shard in zip(fresh, self._load_all(fresh), strict=True):
            self._seen.add(path)
            self._info = self._info or shard.info
            check_same(self._info, shard.info, str(self._folder))
            if self._settings.external and self._unsaid is None and shard.unsaid is not None:
                self._unsaid = self._settings.unsaid(shard.unsaid, self._device)
            more = (len(found) - len(self._seen)) / len(self._seen)
            with self._lock:
                for frames, rows in shard.clips.items():
                    self._buckets.setdefault(frames, Bucket(self._device)).append(rows, self._staging, more)
            self._memory.put(shard.memory)

    def _load_all(self, paths: Sequence[str]) -> Iterator[LoadedShard]:
        """Every shard's clips in order; a few shards are read at a time."""
        return ahead(self._load, paths, depth=READERS)

    def _load(self, path: str) -> LoadedShard:
        clips: dict[int, list[Fields]] = defaultdict(list)
        memory = self._memory.get()
        with_video = VIDEO in self._settings.streams
        with self._folder.open(path) as file:
            contents = read_contents(file, path)
            entries = contents.entries
            unsaid = parse(bytearray(read_at(file, contents.unsaid))) if contents.unsaid else None
            wanted = [[entry.sound, *([entry.video] if with_video and entry.video else [])] for entry in entries]
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
                clips[int(tensors[FRAMES])].append(self._settings.fields(entry.key, tensors))
        return LoadedShard(info=contents.info, unsaid=unsaid, clips=clips, memory=memory)


def _aligned(size: int) -> int:
    """Bytes that a member takes in memory: tensors begin at multiples of eight."""
    return -(-size // 8) * 8
