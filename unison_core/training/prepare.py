"""Encode clips into latent shards: media -> codecs -> latents, once, so that training never waits for a codec."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from unison_core.codecs.codec import Codec
from unison_core.config import Preset
from unison_core.corpus.sample import CorpusItem
from unison_core.corpus.stream import stream_items
from unison_core.text.caption_tokens import CaptionTokenizer
from unison_core.text.phonemes import PhonemeTokenizer
from unison_core.training.shard_format import Sample, write_shard
from unison_core.types import MIX, VIDEO


def prepare_corpus(
    out: Path,
    codec: Codec,
    preset: Preset,
    *,
    count: int,
    first_seed: int = 0,
    split: str = "train",
    workers: int = 1,
    batch: int = 16,
    shard_size: int = 128,
    variants: int = 1,
    sentences: Path | None = None,
    with_video: bool = True,
    with_mix: bool = False,
    p_static: float = 0.03,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Stream `count` clips of the procedural corpus through the codecs into `out`/corpus-SPLIT-*.tar.

    Args:
        out: folder of the shards; those present are kept and their seeds skipped.
        codec: encodes on its own device.
        preset: caption length and rates.
        count: clips.
        first_seed: seed of the first clip.
        split: `train` or `held_out`.
        workers: processes that draw, speak and sound.
        batch: clips of one length encoded together.
        shard_size: clips per tar.
        variants: clips in a row that share an utterance under another look and other sounds.
        sentences: more training sentences, a text file or a folder of fortunes.
        with_video: False draws and encodes no pictures, which is all that stage 1 needs and much faster.
        with_mix: also encode the sum of the stems, which the ablation without separate streams trains on.
        p_static: share of clips that become pairs of a static picture and silence.
        progress: called with (clips done, clips in all).

    Returns:
        Number of clips written by this call.
    """
    out.mkdir(parents=True, exist_ok=True)
    starts = [first_seed + i for i in range(0, count, shard_size)]
    starts = [s for s in starts if not _shard(out, split, s).exists()]
    done = 0
    for first, last in _runs(starts, shard_size):
        encoder = _Encoder(codec, preset, batch, with_mix, p_static)
        pending: list[Sample] = []
        start = first
        wanted = min(last, first_seed + count) - first
        for item in stream_items(split, first, wanted, workers, with_video, variants=variants, extra=sentences):
            pending.extend(encoder.add(item))
            while len(pending) >= shard_size:
                write_shard(_shard(out, split, start), pending[:shard_size])
                pending, start, done = pending[shard_size:], start + shard_size, done + shard_size
                if progress:
                    progress(done, count)
        pending.extend(encoder.flush())
        while pending:
            write_shard(_shard(out, split, start), pending[:shard_size])
            done += len(pending[:shard_size])
            pending, start = pending[shard_size:], start + shard_size
    return done


def _shard(out: Path, split: str, start: int) -> Path:
    return out / f"corpus-{split}-{start:08d}.tar"


def _runs(starts: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Join missing shards that follow each other into (first seed, end seed) runs."""
    runs: list[tuple[int, int]] = []
    for start in starts:
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], start + size)
        else:
            runs.append((start, start + size))
    return runs


def still(item: CorpusItem) -> CorpusItem:
    """The clip with its first frame throughout, and in silence; its prompt stays, as SyncCFG's anchors keep it."""
    clip = item.clip
    frames = None if clip.frames is None else np.repeat(clip.frames[:1], len(clip.frames), axis=0)
    stems = {stream: np.zeros_like(wave) for stream, wave in clip.stems.items()}
    return replace(item, clip=replace(clip, frames=frames, stems=stems))


class _Encoder:
    """Collects clips by length and encodes full batches."""

    def __init__(self, codec: Codec, preset: Preset, batch: int, with_mix: bool, p_static: float) -> None:
        self._codec, self._batch, self._with_mix, self._p_static = codec, batch, with_mix, p_static
        self._phonemes, self._captions = PhonemeTokenizer(), CaptionTokenizer()
        self._length = preset.model.caption.length
        self._waiting: dict[int, list[CorpusItem]] = defaultdict(list)

    def add(self, item: CorpusItem) -> list[Sample]:
        group = self._waiting[item.scene.frames]
        group.append(still(item) if self._is_static(item) else item)
        if len(group) < self._batch:
            return []
        self._waiting[item.scene.frames] = []
        return self._encode(group)

    def _is_static(self, item: CorpusItem) -> bool:
        """Whether this clip is a static pair: a draw of its own seed, whatever the order of clips."""
        return bool(np.random.default_rng((item.scene.seed, 1)).random() < self._p_static)

    def flush(self) -> list[Sample]:
        rest = [sample for group in self._waiting.values() if group for sample in self._encode(group)]
        self._waiting.clear()
        return rest

    def _encode(self, items: Sequence[CorpusItem]) -> list[Sample]:
        clips = [item.clip for item in items]
        frames = [clip.frames for clip in clips if clip.frames is not None]
        streams = {VIDEO: self._codec.encode_video(torch.from_numpy(np.stack(frames)))} if frames else {}
        waves = {s: torch.from_numpy(np.stack([clip.stems[s] for clip in clips])) for s in clips[0].stems}
        if self._with_mix:
            waves[MIX] = torch.stack(list(waves.values())).sum(0)
        streams |= {s: self._codec.encode_audio(wave) for s, wave in waves.items()}
        arrays = {stream: x.to("cpu", torch.float16).numpy() for stream, x in streams.items()}
        return [self._sample(item, {s: a[i] for s, a in arrays.items()}) for i, item in enumerate(items)]

    def _sample(self, item: CorpusItem, latents: dict[str, np.ndarray]) -> Sample:
        scene = item.scene
        tokens = self._phonemes.encode(scene.transcript)
        caption = self._captions.encode(scene.caption, self._length).ids
        meta = {
            "caption": scene.caption,
            "transcript": scene.transcript,
            "span_s": scene.span_s,
            "frames": scene.frames,
            "caption_ids": [int(i) for i in caption],
            "phoneme_ids": [int(i) for i in tokens.ids],
            "phoneme_weights": [round(float(d), 4) for d in tokens.durations_s],
            "voice": scene.voice,
            "action": scene.action,
            "ambience": scene.ambience,
            "events_s": scene.events_s,
            "look": asdict(scene.look),
            "static": self._is_static(item),
        }
        return Sample(key=f"{scene.seed:08d}", latents=latents, meta=meta)
