"""Where training's batches come from: all latents in the device's memory, or a stream of clips from shards anywhere."""

from pathlib import Path
from typing import Protocol

import torch

from unison_core.config import Preset
from unison_core.errors import UsageError
from unison_core.training.clip_fields import FieldSettings
from unison_core.training.latent_stream import LatentStream
from unison_core.training.objective import LatentBatch
from unison_core.training.reference_pairs import ReferencePairs
from unison_core.training.shards import LatentPool

SOURCES = ("pool", "stream")


class LatentSource(Protocol):
    """Draws batches of clips; equal generators draw equal batches."""

    def sample(self, count: int, generator: torch.Generator) -> LatentBatch:
        """A batch of one clip length; generator on the CPU."""

    def __len__(self) -> int:
        """Clips to draw from."""


def open_latents(
    shards: Path | str,
    device: torch.device,
    *,
    streams: tuple[str, ...],
    preset: Preset,
    source: str = "pool",
    follow_s: float = 0.0,
    wait_for: int = 1,
    pairs: ReferencePairs | None = None,
    phoneme_length: int = 96,
) -> LatentSource:
    """Open a folder of shards and check that it fits.

    Args:
        shards: path, or a URL that fsspec knows (`s3://...`, `hf://datasets/...`).
        device: of the batches.
        streams: which latents the model takes.
        preset: what shapes and captions are checked against.
        source: `pool` reads everything into the device's memory at once; `stream` reads each clip when it is drawn.
        follow_s: of a pool, look for new shards this often; 0 reads the folder once.
        wait_for: clips that must be there; a pool that follows waits for them.
        pairs: reference voices; None draws none.
        phoneme_length: tokens that transcripts are padded to.

    Raises:
        UsageError: shards are missing, damaged, made by different codecs or for another preset, or there are too few.
    """
    if source not in SOURCES:
        raise UsageError(f"source={source!r} is none of {', '.join(SOURCES)}")
    caption_length = preset.model.caption.length
    if source == "pool":
        return LatentPool(
            shards, device, streams=streams, caption_length=caption_length, phoneme_length=phoneme_length,
            follow_s=follow_s, wait_for=wait_for, pairs=pairs, latent_rate_hz=preset.timing.latent_rate_hz,
            preset=preset,
        )  # fmt: skip
    if follow_s:
        raise UsageError("a stream reads a finished folder: follow_s goes with source=pool")
    settings = FieldSettings(
        streams=streams, caption_length=caption_length, phoneme_length=phoneme_length, preset=preset,
        external=preset.model.caption.kind == "external", where=str(shards),
    )  # fmt: skip
    stream = LatentStream(
        str(shards), device, settings, pairs=pairs or ReferencePairs(), latent_rate_hz=preset.timing.latent_rate_hz
    )  # fmt: skip
    if len(stream) < wait_for:
        raise UsageError(f"{shards} holds {len(stream)} clips; at least {wait_for} are needed")
    return stream
