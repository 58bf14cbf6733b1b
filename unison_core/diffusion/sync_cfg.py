"""SyncCFG: guidance away from a world in which nothing sounds, and from one in which nothing moves (Harmony sec. 3.4).

    video:  v = v_c + (s_v - 1)(v_c - v(x_v, silence))                                           (eq. 9, additive form)
    audio:  v = v_c + (s_a - 1)(v_c - v(still picture, x_a))                                                   (eq. 10)

Both anchors are given streams (sigma = 0), as the A2V and V2A rows train them, and read the user's words. The still
picture is the clip's own first frame: given, or as estimated one step before, so that text to audio-video starts
its audio term at the second step. The estimate is made still anew every REFRESH steps: it goes through the codec.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unison_core.diffusion.flow import denoised
from unison_core.diffusion.guidance import State, Term, movable
from unison_core.types import VIDEO, Latents, Sigmas

REFRESH = 4
"""Steps that share one still picture."""


@dataclass(frozen=True, kw_only=True)
class SyncGuidance:
    """What SyncCFG needs to know.

    Attributes:
        scale: s per stream; 1 is off. Harmony: 3 for video, 2 for audio.
        interval: (low, high) noise levels between which the picture is moved. When something moves is decided at high
            ones; at low ones the term makes movements larger than they are. Harmony: all.
        silence: latents `(1, N, C)` of N audio latents of silence.
        still: video latents `(B, C, T, h, w)` to those of a clip that shows frame 0 of theirs throughout.
    """

    scale: Mapping[str, float]
    silence: Callable[[int], Tensor]
    still: Callable[[Tensor], Tensor]
    interval: tuple[float, float] = (0.0, 1.0)

    def terms(self) -> list[Term]:
        """Fresh terms for one clip."""
        return [SilentAnchor(self.scale, self.silence, self.interval), StillAnchor(self.scale, self.still)]


class SilentAnchor:
    """Moves the picture away from what it does in silence (eq. 9)."""

    def __init__(
        self, scale: Mapping[str, float], silence: Callable[[int], Tensor], interval: tuple[float, float]
    ) -> None:
        self.scale, self._silence, self._interval = scale, silence, interval
        self._known: Tensor | None = None

    def active(self, sigmas: Sigmas) -> frozenset[str]:
        return movable(self.scale, sigmas, self._interval) & {VIDEO}

    def anchor(self, state: State) -> State:
        latents, sigmas = dict(state.latents), dict(state.sigmas)
        for stream in state.latents.keys() - {VIDEO}:
            x = latents[stream]
            if self._known is None:
                self._known = self._silence(x.shape[1]).to(x)
            latents[stream], sigmas[stream] = self._known.expand_as(x), torch.zeros_like(sigmas[stream])
        return replace(state, latents=latents, sigmas=sigmas)

    def watch(self, state: State, velocity: Latents) -> None:
        pass


class StillAnchor:
    """Moves the sound away from what it does where nothing moves (eq. 10)."""

    def __init__(self, scale: Mapping[str, float], still: Callable[[Tensor], Tensor]) -> None:
        self.scale, self._still = scale, still
        self._picture: Tensor | None = None
        self._age = 0
        """Steps that `_picture` has served."""
        self._estimate: Tensor | None = None
        """Video latents whose first frame the next still picture shows; None before the second step."""

    def active(self, sigmas: Sigmas) -> frozenset[str]:
        if self._estimate is None and not _first_frame_is_given(sigmas):
            return frozenset()
        return movable(self.scale, sigmas) - {VIDEO}

    def anchor(self, state: State) -> State:
        known = _first_frame_is_given(state.sigmas)
        source = state.latents[VIDEO] if known else self._estimate
        assert source is not None
        if self._picture is None or (not known and self._age == REFRESH):
            self._picture, self._age = self._still(source).to(source), 0
        self._age += 1
        picture = self._picture
        still = {VIDEO: torch.zeros_like(state.sigmas[VIDEO])}
        return replace(state, latents={**state.latents, VIDEO: picture}, sigmas={**state.sigmas, **still})

    def watch(self, state: State, velocity: Latents) -> None:
        if any(self.scale.get(stream, 1) != 1 for stream in state.latents.keys() - {VIDEO}):
            self._estimate = denoised(state.latents[VIDEO], velocity[VIDEO], state.sigmas[VIDEO])


def _first_frame_is_given(sigmas: Sigmas) -> bool:
    return not bool(sigmas[VIDEO][:, 0].any())
