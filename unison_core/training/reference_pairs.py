"""Reference voices for training: a stretch of another clip in which the same voice says something else.

Harmony's timbre stage (supplement B, stage 2): since reference and target share no words, the voice is all that the
reference can tell. Where nobody speaks, the reference is anybody's, and the target stays silent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NOBODY = -1


@dataclass(frozen=True, kw_only=True)
class ReferencePairs:
    """How often training hears a reference, and how long it is."""

    probability: float = 0.0
    """Share of batches with a reference; 0 is off."""
    seconds: tuple[float, float] = (1.0, 3.0)
    """Range of lengths; one length a batch."""
    step_s: float = 0.0
    """Lengths are rounded to multiples of this, so that there are few shapes for CUDA graphs; 0 is off."""
    same_clip: bool = False
    """From the target itself (Harmony's stage 1) instead of another clip of its voice."""

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1 or not 0 < self.seconds[0] <= self.seconds[1]:
            raise ValueError(f"probability={self.probability}, seconds={self.seconds}: a share, and an ascending range")
        if self.step_s < 0:
            raise ValueError(f"step_s={self.step_s} must not be negative")


@dataclass(frozen=True)
class Speakers:
    """Rows of clips by who is heard in them, and all rows in which anybody is."""

    rows: Mapping[int, Tensor]
    everybody: Tensor

    @classmethod
    def of(cls, voices: Tensor) -> "Speakers":
        """From a number per clip `(N,)`, NOBODY where nobody is heard; on the CPU."""
        order = torch.argsort(voices, stable=True)
        found, counts = torch.unique_consecutive(voices[order], return_counts=True)
        parts = zip(found.tolist(), order.split(counts.tolist()), strict=True)
        rows = {int(voice): part for voice, part in parts if voice != NOBODY}
        return cls(rows, torch.cat(list(rows.values())) if rows else order[:0])


def draw_partners(
    pairs: ReferencePairs, speakers: Speakers, voices: Sequence[int], index: Sequence[int], generator: torch.Generator
) -> list[int] | None:
    """A row to take the reference from for each clip of a batch; None for a batch without.

    Args:
        pairs: how often.
        speakers: of all clips to choose from.
        voices: of the batch's clips. index: their rows.
        generator: on the CPU.
    """
    if float(torch.rand((), generator=generator)) >= pairs.probability or not speakers.rows:
        return None
    return [_partner(row, voice, speakers, pairs, generator) for row, voice in zip(index, voices, strict=True)]


def draw_stretch(
    pairs: ReferencePairs, spans_s: Tensor, length: int, latent_rate_hz: float, generator: torch.Generator
) -> Tensor:
    """Which latents `(B, R)` of the partners' speech to take: a stretch inside their spans `(B, 2)` in seconds.

    Args:
        length: latents of each partner's speech.
        latent_rate_hz: audio latents per second.
    """
    low, high = pairs.seconds
    seconds = low + (high - low) * float(torch.rand((), generator=generator))
    if pairs.step_s:
        seconds = min(max(round(seconds / pairs.step_s), 1) * pairs.step_s, high)
    count = max(1, min(round(seconds * latent_rate_hz), length))
    spans = (spans_s * latent_rate_hz).long()  # (B, 2)
    spare = (spans[:, 1] - spans[:, 0] - count).clamp(min=0)
    start = spans[:, 0] + (torch.rand(len(spans), generator=generator) * (spare + 1)).long()
    return start.clamp(min=0, max=length - count)[:, None] + torch.arange(count)


def _partner(
    row: int, voice: int, speakers: Speakers, pairs: ReferencePairs, generator: torch.Generator
) -> int:  # fmt: skip
    """Another clip of the voice; the clip itself where it is the only one, or where that is asked for."""
    if pairs.same_clip and voice != NOBODY:
        return row
    candidates = speakers.rows.get(voice, speakers.everybody)
    place = int(torch.randint(len(candidates), (), generator=generator))
    if int(candidates[place]) == row:
        place = (place + 1) % len(candidates)
    return int(candidates[place])
