"""Whether shards fit the model that is to be trained on them: one line before the first step where they do not."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unison_core.config import Preset
from unison_core.errors import UsageError
from unison_core.training.shard_format import ShardInfo
from unison_core.types import VIDEO

AGAIN = "run unison prepare again"


def check_clip(
    key: str, where: str, tensors: Mapping[str, np.ndarray], frames: int, streams: Sequence[str], preset: Preset
) -> None:
    """Raise UsageError unless a clip's latents are there and have the shapes that the preset gives them."""
    timing = preset.timing
    for stream in streams:
        if stream not in tensors:
            raise UsageError(f"clip {key} in {where} has no {stream} latents; {_made(tensors)}")
        found = tuple(tensors[stream].shape)
        if stream == VIDEO:
            head = (preset.codecs.video.z_dim, _video_latents(timing, frames))
            fits = len(found) == 4 and found[:2] == head
            wanted: tuple[Any, ...] = (*head, "h", "w")
        else:
            wanted = (timing.audio_latents(frames), preset.codecs.audio.latent_channels)
            fits = found == wanted
        if not fits:
            shape = ", ".join(map(str, wanted))
            raise UsageError(
                f"clip {key} in {where}: {stream} latents of {frames} frames have shape {found}, preset {preset.name} "
                f"takes ({shape}): {AGAIN}, or name the preset that they were made for"
            )


def check_same(first: ShardInfo, other: ShardInfo, where: str) -> None:
    """Raise UsageError unless two shards were made by the same codecs."""
    if (first.codec, first.codecs) != (other.codec, other.codecs):
        raise UsageError(
            f"shards in {where} were made by different codecs ({first.codec or 'unnamed'} and "
            f"{other.codec or 'unnamed'}): keep one kind, or {AGAIN} into an empty folder"
        )


def check_listed(where: str, names: np.ndarray, sizes: np.ndarray, found: Mapping[str, int]) -> None:
    """Raise UsageError where shards of the index are missing, or of another size: `found` is name -> bytes."""
    missing = [name for name in names.tolist() if name not in found]
    if missing:
        lost = f"{len(missing)} of {len(names)} shards of its index, such as {missing[0]}"
        raise UsageError(f"{where} lacks {lost}: {AGAIN}")
    for name, size in zip(names.tolist(), sizes.tolist(), strict=True):
        if found[name] != size:
            raise UsageError(f"{where}: {name} has {found[name]} bytes, its index says {size}: remove it and {AGAIN}")


def _video_latents(timing: Any, frames: int) -> int:
    try:
        return int(timing.video_latents(frames))
    except ValueError:
        return -1


def _made(tensors: Mapping[str, np.ndarray]) -> str:
    if VIDEO not in tensors:
        return "if it was made with --no-video, it serves stage 1 alone"
    return "it was made for a model with other streams (--with-mix)"
