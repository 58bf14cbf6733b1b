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

import numpy as np
import torch
from torch import Tensor

from unison_core.ahead import ahead
from unison_core.config import Preset
from unison_core.errors import UsageError
from unison_core.training.clip_fields import Arrays, FieldSettings, make_batch
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
    contents_of,
    parse,
)
from unison_core.types import SPEECH, STREAMS, VIDEO, CaptionFeatures

READERS = 4
"""Threads that read shards; with `TOGETHER` this bounds host memory."""
TOGETHER = 4
"""Shards that are moved to the device together."""
LARGE = 500
"""Elements from which NumPy gives up the interpreter for every row that it copies; torch does for all rows at once."""
GROWTH = 1.25
"""A full bucket is made this much larger, so that clips which arrive one by one are not copied each time."""


@dataclass(frozen=True, kw_only=True)
class LoadedShard:
    """Clips of one shard by frames; their arrays lie in `memory`, which is used again for another shard."""

    info: ShardInfo
    unsaid: Arrays | None
    clips: Mapping[int, Sequence[Arrays]]
    memory: bytearray


class Staging:
    """Host memory that rows are stacked in on their way to the device; it is kept, since new memory is slow."""

    def __init__(self, device: torch.device) -> None:
        self._pinned = device.type == "cuda"
        self._flat: dict[str, Tensor] = {}

    def stack(self, name: str, rows: Sequence[np.ndarray]) -> Tensor:
        """Rows as one tensor, valid until the next call for `name`."""
        shape = (len(rows), *rows[0].shape)
        count = math.prod(shape)
        held = self._flat.get(name)
        if held is None or len(held) < count:
            kind = torch.from_numpy(np.empty(0, rows[0].dtype)).dtype
            held = self._flat[name] = torch.empty(count, dtype=kind, pin_memory=self._pinned)
        stacked = held[:count].view(shape)
        if rows[0].size < LARGE:
            np.stack(rows, out=stacked.numpy())
            return stacked
        return torch.stack([torch.from_numpy(row) for row in rows], out=stacked)


class Bucket:
    """Clips of one length on one device: tensors with room for more rows."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._shapes: Mapping[str, tuple[int, ...]] = {}
        self.fields: dict[str, Tensor] = {}
        self.count = 0

    def append(self, rows: Sequence[Arrays], staging: Staging, more: float = 0.0) -> None:
        """Add rows; what was handed out before stays valid. `more`: how many times as many are still to come."""
        room = len(self.fields[STATIC]) if self.fields else 0
        total = self.count + len(rows)
        shapes = self._shapes or {name: x.shape for name, x in rows[0].items()}
        for name, shape in shapes.items():
            other = next((row[name].shape for row in rows if row[name].shape != shape), None)
            if other is not None:
                raise UsageError(f"clips of one length have {name} of shapes {shape} and {other}: prepare one --size")
        room = room if total <= room else max(int(total * (1 + more)), int(room * GROWTH))
        for name in shapes:
            stacked = staging.stack(name, [row[name] for row in rows])
            if not self._shapes or room > len(self.fields[name]):
                self.fields = {**self.fields, name: self._grown(name, stacked[0], room)}
            self.fields[name][self.count : total].copy_(stacked)
        self._shapes, self.count = shapes, total

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
        for _ in range(READERS + 1 + TOGETHER):
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

    def _reference(
        self, frames: int, bucket: Mapping[str, Tensor], drawn: list[int], generator: torch.Generator
    ) -> Tensor | None:
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
        fresh, loaded = sorted(set(found) - self._seen), list[LoadedShard]()
        for path, shard in zip(fresh, self._load_all(fresh), strict=True):
            self._seen.add(path)
            self._info = self._info or shard.info
            check_same(self._info, shard.info, str(self._folder))
            if self._settings.external and self._unsaid is None and shard.unsaid is not None:
                self._unsaid = self._settings.unsaid(shard.unsaid, self._device)
            loaded.append(shard)
            if len(loaded) == TOGETHER:
                self._take(loaded, more=(len(found) - len(self._seen)) / len(self._seen))
        self._take(loaded)

    def _take(self, loaded: list[LoadedShard], more: float = 0.0) -> None:
        """Move loaded shards to the device; `more`: how many times as many clips as are there are still to come."""
        clips: dict[int, list[Arrays]] = defaultdict(list)
        for shard in loaded:
            for frames, rows in shard.clips.items():
                clips[frames] += rows
        with self._lock:
            for frames, rows in clips.items():
                self._buckets.setdefault(frames, Bucket(self._device)).append(rows, self._staging, more)
        for shard in loaded:
            self._memory.put(shard.memory)
        loaded.clear()

    def _load_all(self, paths: Sequence[str]) -> Iterator[LoadedShard]:
        """Every shard's clips in order; a few shards are read at a time."""
        return ahead(self._load, paths, depth=READERS)

    def _load(self, path: str) -> LoadedShard:
        """One read, and then arrays where the bytes lie: what a thread does here gives up the interpreter only once,
        since every time costs it a wait for a training that is busy with Python."""
        clips: dict[int, list[Arrays]] = defaultdict(list)
        memory, size = self._folder.read_whole(path, self._memory.get())
        contents = contents_of(memoryview(memory)[:size], path)
        with_video = VIDEO in self._settings.streams
        for entry in contents.entries:
            arrays = parse(memory, entry.sound[0])
            if with_video and entry.video:
                arrays |= parse(memory, entry.video[0])
            clips[int(arrays[FRAMES])].append(self._settings.fields(entry.key, arrays))
        unsaid = parse(bytearray(memory[slice(contents.unsaid[0], sum(contents.unsaid))])) if contents.unsaid else None
        return LoadedShard(info=contents.info, unsaid=unsaid, clips=clips, memory=memory)
