"""Records the gates of a model while it samples (Unison, Fig. 8): two numbers a block and step, in `gates.json`.

    {sigma: {stream: (steps,)}, gates: {speech: (steps, blocks), sfx: (steps, blocks)}}

A gate of a stream scales what flows into it. With guidance the rows of the prompts come first; row 0 is recorded.
"""

from typing import Any

import torch
from torch import Tensor

from unison_core.types import AUDIO_STREAMS, Latents, Sigmas, TextInputs

DIGITS = 4


class GateRecorder:
    """A model that remembers its gates; otherwise it is the model."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._steps: list[tuple[dict[str, float], Tensor]] = []

    def encode(self, text: TextInputs, frames: int, **more: Any) -> Any:
        """Conditions, as the model's."""
        return self.model.encode(text, frames, **more)

    def __call__(self, latents: Latents, sigmas: Sigmas, conditions: Any) -> Latents:
        """Velocities, as the model's."""
        gates: list[Tensor] = []
        velocities = self.model(latents, sigmas, conditions, gates=gates)
        if gates:
            levels = {stream: float(sigma.flatten()[0]) for stream, sigma in sigmas.items()}
            self._steps.append((levels, torch.stack([gate[0].float().cpu() for gate in gates])))  # (blocks, 2)
        return velocities

    def to_mapping(self) -> dict[str, Any] | None:
        """JSON data; None where the model has no gates."""
        if not self._steps:
            return None
        levels = [step[0] for step in self._steps]
        return {
            "sigma": {stream: [round(level[stream], DIGITS) for level in levels] for stream in levels[0]},
            "gates": {
                stream: [[round(float(g), DIGITS) for g in gates[:, i]] for _, gates in self._steps]
                for i, stream in enumerate(AUDIO_STREAMS)
            },
        }
