"""Activation checkpointing: a block keeps its inputs alone and computes itself again in the backward pass."""

from collections.abc import Iterable
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def checkpoint_activations(modules: Iterable[nn.Module]) -> None:
    """Make `modules` recompute, in place; names of parameters stay, and nothing changes where no gradient is needed.

    Under FSDP2 and `compile` the recomputation lies inside the sharded or compiled block.
    """
    for module in modules:
        module.forward = partial(checkpoint, module.forward, use_reentrant=False)  # type: ignore[method-assign]
