"""Guidance as a sum of terms, v = v_c + sum_k (s_k - 1)(v_c - v_k), each with a scale per stream (DESIGN 5).

v_k is what the model answers where it is told less: no words (classifier-free guidance, below), or a world in which
nothing sounds or moves (`sync_cfg`). It is computed only at noise levels at which the term moves a stream.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from unison_core.types import Latents, Sigmas

PROMPT, NULL = "prompt", "null"
"""Which words the model reads: those of the user, or those that guidance moves away from."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What the model sees in one evaluation.

    Attributes:
        latents: by stream.
        sigmas: their noise levels.
        words: PROMPT or NULL.
    """

    latents: Latents
    sigmas: Sigmas
    words: str = PROMPT


class Term(Protocol):
    """One term of guidance."""

    @property
    def scale(self) -> Mapping[str, float]:
        """s by stream; 1 is no guidance."""

    def active(self, sigmas: Sigmas) -> frozenset[str]:
        """Streams that the term moves at these noise levels; empty where its anchor is not needed."""

    def anchor(self, state: State) -> State:
        """What the model sees in place of `state`."""

    def watch(self, state: State, velocity: Latents) -> None:
        """Take note of the velocity that was found at `state`."""


Evaluate = Callable[[Sequence[State]], Sequence[Latents]]
"""Velocities of a model, float32, at several states of one shape."""


def guided(evaluate: Evaluate, terms: Sequence[Term]) -> Callable[[Latents, Sigmas], dict[str, Tensor]]:
    """The guided velocity as a function of latents and noise levels; one call of `evaluate` each."""

    def velocity(latents: Latents, sigmas: Sigmas) -> dict[str, Tensor]:
        state = State(latents=latents, sigmas=sigmas)
        active = [(term, moved) for term in terms if (moved := term.active(sigmas))]
        v_c, *anchors = evaluate([state, *(term.anchor(state) for term, _ in active)])
        v = dict(v_c)
        for (term, moved), v_k in zip(active, anchors, strict=True):
            for stream in moved:
                v[stream] = v[stream] + (term.scale[stream] - 1) * (v_c[stream] - v_k[stream])
        for term in terms:
            term.watch(state, v_c)
        return v

    return velocity


def movable(
    scale: Mapping[str, float], sigmas: Sigmas, interval: tuple[float, float] = (0.0, 1.0)
) -> frozenset[str]:
    """Streams whose scale is not 1, that are not given (sigma 0 everywhere), at levels inside `interval`."""
    low, high = interval
    levels = {stream: float(sigma.max()) for stream, sigma in sigmas.items() if scale.get(stream, 1) != 1}
    return frozenset(stream for stream, level in levels.items() if level > 0 and low <= level <= high)


@dataclass(frozen=True, kw_only=True)
class TextGuidance:
    """Guidance by caption and transcript: the anchor reads the null words.

    Attributes:
        scale: s per stream.
        interval: (low, high) noise levels between which the term applies.
    """

    scale: Mapping[str, float]
    interval: tuple[float, float] = (0.0, 1.0)

    def active(self, sigmas: Sigmas) -> frozenset[str]:
        return movable(self.scale, sigmas, self.interval)

    def anchor(self, state: State) -> State:
        return State(latents=state.latents, sigmas=state.sigmas, words=NULL)

    def watch(self, state: State, velocity: Latents) -> None:
        pass
