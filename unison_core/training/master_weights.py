"""bf16 weights to compute with, float32 masters to train (Micikevicius et al., arXiv 1710.03740).

    w = bf16(m),    m <- m - lr AdamW(float32(dL/dw))

Nothing is cast in the forward and backward pass, as autocast casts weights and activations. Updates too small for bf16
stay in the masters: checkpoints, averages and exported weights are theirs.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unison_core.training.graphed import average_gradients

BF16_WEIGHTS = "bf16_weights"
"""The name of this precision in configurations."""


class MasterWeights:
    """Turns a float32 model into one of bf16 weights, in place, and keeps what its trained parameters were.

    The processes of data-parallel training average the masters' float32 gradients themselves, once a step: the model
    must not be wrapped.

    Attributes:
        parameters: masters by name, float32, on the model's device; what an optimizer is given.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.parameters = {name: nn.Parameter(p.detach().float()) for name, p in self._weights.items()}
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.data = tensor.data.to(torch.bfloat16)

    @torch.no_grad()
    def collect(self) -> None:
        """Add the weights' gradients to the masters', in float32, and clear them; once per backward pass."""
        masters, gradients = [], []
        for master, weight in zip(self.parameters.values(), self._weights.values(), strict=True):
            if weight.grad is not None:
                masters.append(master)
                gradients.append(weight.grad)
                weight.grad = None
        if not masters:
            return
        found = [torch.empty_like(master) for master in masters]
        torch._foreach_copy_(found, gradients)
        for master, gradient in zip(masters, found, strict=True):
            if master.grad is None:
                master.grad = gradient
            else:
                master.grad += gradient

    def average(self) -> None:
        """Mean of the masters' gradients over all processes; once a step, before clipping."""
        average_gradients(self.parameters.values())

    @torch.no_grad()
    def publish(self) -> None:
        """Round the masters into the weights; after every change of them."""
        torch._foreach_copy_(list(self._weights.values()), list(self.parameters.values()))

    def state_dict(self) -> dict[str, Tensor]:
        """The model's state with masters in place of rounded weights."""
        return {**self.model.state_dict(), **{name: p.detach() for name, p in self.parameters.items()}}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back such a state, or that of the model in float32."""
        self.model.load_state_dict(state)
        for name, master in self.parameters.items():
            master.copy_(state[name])
        self.publish()


def master_weights(model: nn.Module, precision: str) -> MasterWeights | None:
    """The masters of a model that is trained in `precision`; None where its own parameters are trained."""
    return MasterWeights(model) if precision == BF16_WEIGHTS else None
