"""Classifier-free guidance as an additive term: v = v_c + (s - 1)(v_c - v_0), with a scale per stream (DESIGN 5)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from unison_core.types import Latents, Sigmas

Branch = Callable[[Latents, Sigmas], Latents]
"""A model with its conditions bound."""


@dataclass(frozen=True, kw_only=True)
class TextGuidance:
    """Guidance by caption and transcript.

    Attributes:
        scale: s per stream; 1 is no guidance.
        interval: (low, high) noise levels between which the term applies.
    """

    scale: Mapping[str, float]
    interval: tuple[float, float] = (0.0, 1.0)

    def active(self, sigmas: Sigmas) -> frozenset[str]:
        """Streams that the term moves at these noise levels; given streams (sigma 0 everywhere) are never moved."""
        low, high = self.interval
        return frozenset(
            stream
            for stream, sigma in sigmas.items()
            if self.scale[stream] != 1 and float(sigma.max()) > 0 and low <= float(sigma.max()) <= high
        )


def guided(conditional: Branch, both: Branch, guidance: TextGuidance) -> Branch:
    """Combine the conditional and the unconditional velocity; the unconditional one is computed only where it counts.

    Args:
        conditional: the model on B rows, with the prompts.
        both: the model on 2B rows, prompts first, null conditions after.
        guidance: scales and interval.
    """

    def velocity(latents: Latents, sigmas: Sigmas) -> dict[str, Tensor]:
        active = guidance.active(sigmas)
        if not active:
            return dict(conditional(latents, sigmas))
        doubled = both({s: x.repeat(2, *[1] * (x.ndim - 1)) for s, x in latents.items()},
                       {s: x.repeat(2, *[1] * (x.ndim - 1)) for s, x in sigmas.items()})  # fmt: skip
        result = {}
        for stream, v in doubled.items():
            v_c, v_0 = v.float().chunk(2)
            result[stream] = v_c + (guidance.scale[stream] - 1) * (v_c - v_0) if stream in active else v_c
        return result

    return velocity
