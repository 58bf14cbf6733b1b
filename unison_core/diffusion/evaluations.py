"""Several evaluations of one model in one batch, as many as memory allows, counted."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Protocol

import torch
from torch import Tensor

from unison_core.diffusion.guidance import State
from unison_core.types import Latents, Sigmas, TextInputs

AT_ONCE = 4
"""Evaluations of a step that go through the model together, where memory holds them: guidance and both anchors."""


class JointModel(Protocol):
    """What sampling needs of a model: conditions once per clip, velocities per step."""

    def encode(self, text: TextInputs, frames: int, *, reference: Tensor | None = None) -> Any: ...

    def __call__(self, latents: Latents, sigmas: Sigmas, conditions: Any) -> Latents: ...


class Evaluations:
    """Runs a model on states; a state's words are encoded once per clip.

    Args:
        model: on the device of the states, in `dtype`.
        texts: tokenised words by name (`guidance.PROMPT`, `guidance.NULL`), on that device.
        frames: pixel frames of the clip, 4k+1.
        dtype: of the latents that the model takes.
        reference: latents `(B, R, C)` of a voice that every evaluation hears, or None.
        at_once: evaluations in one forward to begin with.

    Attributes:
        count: evaluations so far.
        at_once: evaluations in one forward; halved whenever the device's memory does not hold them.
    """

    def __init__(
        self,
        model: JointModel,
        texts: Mapping[str, TextInputs],
        frames: int,
        dtype: torch.dtype,
        *,
        reference: Tensor | None = None,
        at_once: int = AT_ONCE,
    ) -> None:
        self._model, self._texts, self._frames, self._dtype = model, texts, frames, dtype
        self._reference = None if reference is None else reference.to(dtype)
        self._conditions: dict[tuple[str, ...], Any] = {}
        self.count, self.at_once = 0, at_once

    def __call__(self, states: Sequence[State]) -> Sequence[Latents]:
        """Velocities, float32, of every state."""
        while True:
            size = min(self.at_once, len(states))
            try:
                groups = [states[i : i + size] for i in range(0, len(states), size)]
                found = [velocity for group in groups for velocity in self._forward(group)]
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                self.at_once = (size + 1) // 2
                continue
            self.count += len(states)
            return found

    def _forward(self, group: Sequence[State]) -> list[dict[str, Tensor]]:
        words = tuple(state.words for state in group)
        if words not in self._conditions:
            text = reduce(TextInputs.stack, (self._texts[name] for name in words))
            voice = {} if self._reference is None else {"reference": self._reference.repeat(len(group), 1, 1)}
            self._conditions[words] = self._model.encode(text, self._frames, **voice)
        latents = {s: torch.cat([state.latents[s] for state in group]).to(self._dtype) for s in group[0].latents}
        sigmas = {s: torch.cat([state.sigmas[s] for state in group]) for s in group[0].sigmas}
        both = self._model(latents, sigmas, self._conditions[words])
        parts = {s: v.float().chunk(len(group)) for s, v in both.items()}
        return [{s: part[i] for s, part in parts.items()} for i in range(len(group))]
