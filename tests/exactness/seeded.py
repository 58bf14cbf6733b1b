"""Weights that follow from their names alone, so that golden outputs need no weights on disk."""

import zlib
from collections.abc import Mapping

import torch
from torch import Tensor

NORMS = ("norm", "ln_", "gamma", "weight_g", "original0", "bypass_scale", "layer_norm")
KEPT = ("filter", "data_mean", "data_std")
"""Constants of the public classes, which are no weights."""
QUIET = {"conv_post.weight_g": 0.04, "final_layer.conv.weight": 0.3}
"""Factors that keep outputs of order 1, and off the limits that they are clamped to."""


def seeded(name: str, shape: tuple[int, ...], std: float = 0.15) -> Tensor:
    """The tensor `name`: normal numbers from a generator seeded by the name, around 1 for scales of norms."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    scale = any(part in name for part in NORMS) and not name.endswith("bias")
    tensor = std * torch.randn(shape, generator=generator) + (1.0 if scale else 0.0)
    return QUIET.get(name, 1.0) * tensor


def seeded_state(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Seeded tensors for all names but those of constants."""
    return {k: seeded(k, tuple(s)) for k, s in shapes.items() if not k.endswith(KEPT)}


def numbers(seed: int, *shape: int) -> Tensor:
    """Inputs: normal numbers of a shape."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
