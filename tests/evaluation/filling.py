"""Weights that depend on nothing but a parameter's name and shape, so that public code and ours can be filled alike."""

from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn


def numbers(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    """Normal numbers of numpy's frozen legacy generator, seeded by the name."""
    return torch.from_numpy(np.random.RandomState(crc32(name.encode())).randn(*shape) * scale).float()


def filled(name: str, tensor: Tensor) -> Tensor:
    """A value for the entry `name` of a state: variances positive, norms near 1, the rest small."""
    if not tensor.is_floating_point():
        return tensor
    drawn = numbers(name, tuple(tensor.shape))
    if name.endswith("running_var"):
        return drawn.abs() + 0.5
    if tensor.ndim <= 1:
        return (1.0 if name.endswith("weight") else 0.0) + 0.1 * drawn
    return drawn * (1.5 / max(tensor[0].numel(), 1)) ** 0.5


def fill(module: nn.Module) -> nn.Module:
    """Fill every entry of the module's state by its name."""
    module.load_state_dict({name: filled(name, value) for name, value in module.state_dict().items()})
    return module.eval()
