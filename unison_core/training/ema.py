"""Exponential moving average of a model's parameters: theta_ema <- d theta_ema + (1 - d) theta.

    d = min(decay, (1 + step) / (10 + step)),  so that early steps are forgotten quickly.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from unison_core.training.full_state import as_built, sharded_like, whole


class EMA:
    """Averages the trainable parameters of `model`, in float32, where they live; what is frozen is left alone.

    Args:
        model: what is trained. decay: d at most.
        masters: what is averaged instead, by name, where the model computes with rounded weights.
    """

    def __init__(self, model: nn.Module, decay: float, masters: Mapping[str, Tensor] | None = None) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay={decay} must lie in [0, 1)")
        self.decay = decay
        self._trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._source = self._trained if masters is None else masters
        self._exact = masters is not None
        self._shadow = {name: p.detach().float().clone() for name, p in self._source.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the parameters after optimizer step number `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        current = [p.detach().float() for p in self._source.values()]
        torch._foreach_lerp_(list(self._shadow.values()), current, 1 - decay)

    def state_dict_of(self, model: nn.Module) -> dict[str, Tensor]:
        """The state dict of `model` with averages in place of trained parameters: of their type, or of the masters'."""
        state = model.state_dict()
        state |= {name: average if self._exact else average.to(state[name].dtype)
                  for name, average in self._shadow.items()}  # fmt: skip
        return {name: as_built(model, name, whole(tensor)) for name, tensor in state.items()}

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the context the model computes with the averages."""
        kept = {name: p.detach().clone() for name, p in self._trained.items()}
        try:
            self._write(self._shadow)
            yield
        finally:
            self._write(kept)

    @torch.no_grad()
    def _write(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self._trained.items():
            parameter.copy_(values[name])

    def state_dict(self) -> dict[str, Any]:
        return {"shadow": {name: whole(average) for name, average in self._shadow.items()}}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, average in self._shadow.items():
            average.copy_(sharded_like(state["shadow"][name], average))
