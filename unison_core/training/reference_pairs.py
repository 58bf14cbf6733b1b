"""Reference voices for training: a stretch of another clip in which the same voice says something else.

Harmony's timbre stage (supplement B, stage 2): since reference and target share no words, the voice is all that the
reference can tell. Where nobody speaks, the reference is anybody's, and the target stays silent.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from unison_core.types import SPEECH

NOBODY = -1


@dataclass(frozen=True, kw_only=True)
class ReferencePairs:
    """How often training hears a reference, and how long it is."""

    probability: float = 0.0
    """Share of batches with a reference; 0 is off."""
    seconds: tuple[float, float] = (1.0, 3.0)
    """Range of lengths; one length a batch."""
    same_clip: bool = False
    """From the target itself (Harmony's stage 1) instead of another clip of its voice."""

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1 or not 0 < self.seconds[0] <= self.seconds[1]:
            raise ValueError(f"probability={self.probability}, seconds={self.seconds}: a share, and an ascending range")


def draw_references(
    pairs: ReferencePairs,
    bucket: Mapping[str, Tensor],
    index: Tensor,
    latent_rate_hz: float,
    generator: torch.Generator,
) -> Tensor | None:
    """Reference latents `(B, R, C)` for the clips `index` `(B,)`; None for a batch without.

    Args:
        pairs: how often, how long.
        bucket: clips of one length: speech latents `(N, L, C)`, `span_s` `(N, 2)`, `voice` `(N,)`, NOBODY where none.
        index: rows of the batch, on the CPU.
        latent_rate_hz: audio latents per second.
        generator: on the CPU.
    """
    if float(torch.rand((), generator=generator)) >= pairs.probability:
        return None
    voices = bucket["voice"].cpu()
    speakers = {int(v): torch.nonzero(voices == v).flatten() for v in voices.unique() if v != NOBODY}
    if not speakers:
        return None
    everybody = torch.cat(list(speakers.values()))
    chosen = [_partner(int(i), int(voices[i]), speakers, everybody, pairs, generator) for i in index]
    length = bucket[SPEECH].shape[1]
    low, high = pairs.seconds
    seconds = low + (high - low) * float(torch.rand((), generator=generator))
    count = max(1, min(round(seconds * latent_rate_hz), length))
    spans = (bucket["span_s"].cpu()[chosen] * latent_rate_hz).long()  # (B, 2)
    spare = (spans[:, 1] - spans[:, 0] - count).clamp(min=0)
    start = spans[:, 0] + (torch.rand(len(chosen), generator=generator) * (spare + 1)).long()
    start = start.clamp(min=0, max=length - count)
    rows = torch.tensor(chosen)[:, None], start[:, None] + torch.arange(count)
    return bucket[SPEECH][rows[0].to(bucket[SPEECH].device), rows[1].to(bucket[SPEECH].device)].float()


def _partner(
    row: int, voice: int, speakers: Mapping[int, Tensor], everybody: Tensor, pairs: ReferencePairs,
    generator: torch.Generator,
) -> int:  # fmt: skip
    """Another clip of the voice; the clip itself where it is the only one, or where that is asked for."""
    if pairs.same_clip and voice != NOBODY:
        return row
    candidates = speakers.get(voice, everybody)
    place = int(torch.randint(len(candidates), (), generator=generator))
    if int(candidates[place]) == row:
        place = (place + 1) % len(candidates)
    return int(candidates[place])
