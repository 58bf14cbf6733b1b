"""A noised batch to losses and gradients, eagerly by Accelerate or as a recorded CUDA graph."""

from collections.abc import Callable

from accelerate import Accelerator
from torch import Tensor, nn

from unison_core.training.graphed import GraphedBackward, average_gradients
from unison_core.training.master_weights import MasterWeights
from unison_core.training.objective import Losses, Noised

Admit = Callable[[Losses], bool]
"""Whether gradients of these losses are wanted; asked where the gradients are used at once."""


class Backward:
    """Losses of a noised batch, and their gradients, averaged over the processes.

    Args:
        module: prepared by `accelerator`, except where `graphs` is set: hooks of wrappers do not run in a replay.
        accelerator: precision and processes.
        graphs: see `FlowTrainingConfig.cuda_graphs`.
        masters: float32 parameters that receive the gradients of a module of bf16 weights; it is not prepared either.
    """

    def __init__(
        self, module: nn.Module, accelerator: Accelerator, *, graphs: bool, masters: MasterWeights | None = None
    ) -> None:
        self.module, self.accelerator, self.masters = module, accelerator, masters
        self._graphed = GraphedBackward(self._losses, module.parameters()) if graphs else None

    def __call__(self, noised: Noised, admit: Admit | None = None) -> Losses:
        """Losses, detached. `admit` is asked before gradients are computed (and, by DeepSpeed, applied)."""
        if self._graphed is not None:
            losses = self._graphed(noised)
            if self.masters:
                self._hand_over()
            else:
                average_gradients(self.module.parameters())
            return losses
        with self.accelerator.accumulate(self.module):
            with self.accelerator.autocast():  # DeepSpeed brings none of its own
                losses = self.module(noised)
            if admit is None or admit(losses):
                self.accelerator.backward(losses.total)
            if self.masters:
                self._hand_over()
        return losses.map(Tensor.detach)

    def _hand_over(self) -> None:
        assert self.masters
        self.masters.collect()
        if self.accelerator.sync_gradients:
            self.masters.average()

    def _losses(self, noised: Noised) -> tuple[Tensor, Losses]:
        with self.accelerator.autocast():
            losses = self.module(noised)
        return losses.total, losses
