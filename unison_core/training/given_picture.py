"""Rows whose picture is given, as they are in use: where lips and words agree less than in a recording of both.

In a recording the transcript lies where it is spoken, and the lips say the same words. In use nobody knows when a given
picture's words are spoken, so generation lays them out at their mean pace; and dubbing gives lips that say other words.
A model that has met neither takes the transcript from one place and the mouth from another, and runs words together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unison_core.text.prompt import START_S
from unison_core.types import SFX, SPEECH, VIDEO, Latents, TextInputs


@dataclass(frozen=True, kw_only=True)
class GivenPicture:
    """Shares of the rows with a given picture that are made like their use."""

    p_natural_span: float = 0.0
    """Probability that the words are laid out as generation does, from START_S on at their mean pace."""
    p_other: float = 0.0
    """Probability that where speech alone is generated (dubbing), picture and effects are another clip's. Words then
    stay where they are spoken: nothing else says when."""

    def __post_init__(self) -> None:
        for name, value in {"p_natural_span": self.p_natural_span, "p_other": self.p_other}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value} is no probability")

    def apply(
        self, latents: Latents, text: TextInputs, given: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Latents, TextInputs]:
        """A batch's clean latents and prompts as its rows meet them.

        Args:
            latents: by stream, B rows. text: B rows.
            given: bool `(B,)` by stream.
            generator: on the batch's device.
        """
        if VIDEO not in latents or not (self.p_natural_span or self.p_other):
            return latents, text
        natural, other = torch.rand(2, len(text), generator=generator, device=generator.device)
        nowhere = torch.zeros_like(given[VIDEO])  # a mix of both stems is not dubbed
        dubbed = given[VIDEO] & given.get(SFX, nowhere) & ~given.get(SPEECH, ~nowhere)
        others = dubbed & (other < self.p_other)
        spoken = text.phoneme_mask.any(dim=1)
        moved = given[VIDEO] & ~others & spoken & (natural < self.p_natural_span)
        latents = {
            s: torch.where(others.view(-1, *[1] * (x.ndim - 1)), x.roll(1, dims=0), x) if s in (VIDEO, SFX) else x
            for s, x in latents.items()
        }
        return latents, replace(text, span_s=torch.where(moved[:, None], natural_spans(text), text.span_s))


def natural_spans(text: TextInputs) -> Tensor:
    """Spans `(B, 2)` in seconds of words at their mean pace, as generation lays them out where there is room."""
    length_s = (text.phoneme_weights * text.phoneme_mask).sum(dim=1)
    start_s = torch.full_like(length_s, START_S)
    return torch.stack((start_s, start_s + length_s), dim=1)
