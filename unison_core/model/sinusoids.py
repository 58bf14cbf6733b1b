"""Sinusoidal features of a scalar, as in DDPM: [cos(t w_j), sin(t w_j)] with w_j = max_period^(-j / (dim/2))."""

import math

import torch
from torch import Tensor


def sinusoids(t: Tensor, dim: int, max_period: float = 10000.0) -> Tensor:
    """Features `(..., dim)` in float32 of `t` `(...)`; cosines first."""
    half = dim // 2
    frequencies = torch.exp(-math.log(max_period) / half * torch.arange(half, dtype=torch.float32, device=t.device))
    angles = t.float()[..., None] * frequencies
    return torch.cat((angles.cos(), angles.sin()), dim=-1)
