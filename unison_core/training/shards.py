"""Latent shards: WebDataset tars of encoded clips, and the in-memory pool that training draws from.

A sample holds `video.npy` (C,T,H,W), `speech.npy` and `sfx.npy` (N,C) in float16, and `meta.json` with the prompt, its
tokens and the number of pixel frames. Shards appear under their final name when they are complete, so a pool may follow
a folder that `prepare` is still filling.
"""

import io
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import webdataset as wds
from torch import Tensor

from unison_core.errors import UsageError
from unison_core.training.objective import LatentBatch
from unison_core.training.reference_pairs import NOBODY, ReferencePairs, draw_references
from unison_core.types import MIX, STREAMS, TextInputs


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One encoded clip: float16 latents by stream, its tokens, and what it was made from."""

    key: str
    latents: Mapping[str, np.ndarray]
    meta: Mapping[str, Any]


def write_shard(path: Path, samples: Iterable[Sample]) -> None:
    """Write a tar atomically."""
    partial = path.with_name(f".{path.name}.partial")
    with wds.TarWriter(str(partial)) as sink:
        for sample in samples:
            arrays = {f"{stream}.npy": _npy(array) for stream, array in sample.latents.items()}
            sink.write({"__key__": sample.key, "meta.json": json.dumps(dict(sample.meta)).encode(), **arrays})
    os.replace(partial, path)


def read_shard(path: Path) -> Iterator[Sample]:
    """All samples of a tar, in every process that asks: each draws its own batches from the same pool."""
    for row in wds.WebDataset(str(path), shardshuffle=False, empty_check=False, nodesplitter=_whole):
        latents = {s: np.load(io.BytesIO(row[f"{s}.npy"])) for s in (*STREAMS, MIX) if f"{s}.npy" in row}
        yield Sample(key=row["__key__"], latents=latents, meta=json.loads(row["meta.json"]))


def _whole(urls: Iterable[Any]) -> Iterable[Any]:
    return urls


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array.astype(np.float16))
    return buffer.getvalue()


class LatentPool:
    """All latents of a folder of shards in the memory of one device, grouped by clip length.

    Args:
        folder: holds `*.tar`.
        device: where the latents live.
        streams: which streams to load.
        caption_length, phoneme_length: padded token counts.
        follow_s: look for new shards this often, in a thread; 0 reads the folder once.
        wait_for: number of samples to wait for before training starts.
        pairs: reference voices; None draws none. latent_rate_hz: audio latents per second, which they need.
    """

    def __init__(
        self,
        folder: Path,
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
        self._folder, self._device, self._streams = folder, device, streams
        self._caption_length, self._phoneme_length = caption_length, phoneme_length
        self._pairs, self._latent_rate_hz = pairs, latent_rate_hz
        self._voices: dict[str, int] = {}
        self._seen: set[Path] = set()
        self._buckets: dict[int, dict[str, Tensor]] = {}
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        if not folder.is_dir() and not follow_s:
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
            return sum(len(fields["static"]) for fields in self._buckets.values())

    def sample(self, count: int, generator: torch.Generator) -> LatentBatch:
        """Draw a batch of one clip length, lengths in proportion to their samples; generator on the CPU."""
        if self._failure:
            raise self._failure
        with self._lock:
            frames = sorted(self._buckets)
            sizes = torch.tensor([len(self._buckets[f]["static"]) for f in frames], dtype=torch.float)
            chosen = frames[int(torch.multinomial(sizes, 1, generator=generator))]
            bucket = self._buckets[chosen]
        drawn = torch.randint(len(bucket["static"]), (count,), generator=generator)
        index = drawn.to(self._device)
        latents = {s: bucket[s][index].float() for s in self._streams}
        text = TextInputs(
            caption_ids=bucket["caption_ids"][index],
            phoneme_ids=bucket["phoneme_ids"][index],
            phoneme_mask=bucket["phoneme_ids"][index] > 0,
            phoneme_weights=bucket["phoneme_weights"][index],
            span_s=bucket["span_s"][index],
            dropped=torch.zeros(count, dtype=torch.bool, device=self._device),
        )
        reference = None
        if self._pairs is not None and self._pairs.probability:
            reference = draw_references(self._pairs, bucket, drawn, self._latent_rate_hz, generator)
        return LatentBatch(
            latents=latents, text=text, frames=chosen, static=bucket["static"][index], reference=reference
        )

    def _follow(self, interval_s: float) -> None:
        while True:
            time.sleep(interval_s)
            try:
                self._scan()
            except BaseException as error:
                self._failure = error
                return

    def _scan(self) -> None:
        fresh: dict[int, list[dict[str, Tensor]]] = defaultdict(list)
        for path in sorted(set(self._folder.glob("*.tar")) - self._seen):
            for sample in read_shard(path):
                fresh[int(sample.meta["frames"])].append(self._tensors(sample))
            self._seen.add(path)
        for frames, rows in fresh.items():
            added = {name: torch.stack([row[name] for row in rows]).to(self._device) for name in rows[0]}
            old = self._buckets.get(frames)
            merged = {n: torch.cat([old[n], t]) for n, t in added.items()} if old else added
            with self._lock:
                self._buckets[frames] = merged

    def _voice(self, meta: Mapping[str, Any]) -> int:
        """A number for who is heard in a sample; NOBODY for silence."""
        name = None if meta.get("static", False) else meta.get("voice")
        return NOBODY if name is None else self._voices.setdefault(name, len(self._voices))

    def _tensors(self, sample: Sample) -> dict[str, Tensor]:
        missing = [s for s in self._streams if s not in sample.latents]
        if missing:
            raise UsageError(f"sample {sample.key} in {self._folder} has no {missing[0]} latents")
        meta = sample.meta
        caption, phonemes, weights = (meta[k] for k in ("caption_ids", "phoneme_ids", "phoneme_weights"))
        return {
            **{s: torch.from_numpy(sample.latents[s]) for s in self._streams},
            "caption_ids": _padded(caption, self._caption_length, torch.long),
            "phoneme_ids": _padded(phonemes, self._phoneme_length, torch.long),
            "phoneme_weights": _padded(weights, self._phoneme_length, torch.float),
            "span_s": torch.tensor(meta["span_s"] or (0.0, 0.0), dtype=torch.float),
            "static": torch.tensor(bool(meta.get("static", False))),
            "voice": torch.tensor(self._voice(meta)),
        }


def _padded(values: list[float], length: int, dtype: torch.dtype) -> Tensor:
    if len(values) > length:
        raise UsageError(f"a prompt has {len(values)} tokens, more than the {length} that training pads to")
    return torch.tensor([*values, *[0] * (length - len(values))], dtype=dtype)
