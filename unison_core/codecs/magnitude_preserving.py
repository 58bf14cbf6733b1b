"""Magnitude-preserving layers: every layer keeps the expected magnitude of its activations (Karras et al. 2024, EDM2).

    normalize(x) = x / rms(x)        mp_silu(x) = silu(x) / 0.596        mp_sum(a, b, t) = lerp(a, b, t) / |(1-t, t)|
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SILU_MAGNITUDE = 0.596
"""Root mean square of silu(x) for x of unit variance."""
EPS = 1e-4


def normalize(x: Tensor, dims: int | tuple[int, ...]) -> Tensor:
    """`x` divided by its root mean square over `dims`."""
    norm = torch.linalg.vector_norm(x, dim=dims, keepdim=True, dtype=torch.float32)
    return x / (EPS + norm * math.sqrt(norm.numel() / x.numel())).to(x.dtype)


def mp_silu(x: Tensor) -> Tensor:
    """SiLU that keeps unit magnitude (EDM2 eq. 81)."""
    return F.silu(x) / SILU_MAGNITUDE


def mp_sum(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Blend of `a` and `b` that keeps unit magnitude (EDM2 eq. 88)."""
    return a.lerp(b, t) / math.hypot(1 - t, t)


class MPConv1d(nn.Module):
    """1-D convolution with unit-norm filters, `(B, C, L)` to `(B, out, L)` (EDM2 eq. 47, 66).

    The stored weight is free in scale: every use normalises it, until `fold` writes the normalised weight in its place
    for inference.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel))
        self.folded = False

    def unit_weight(self) -> Tensor:
        """Filters `(out, in, kernel)` of unit norm."""
        if self.folded:
            return self.weight
        return normalize(self.weight.float(), dims=(1, 2)) / math.sqrt(self.weight[0].numel())

    def forward(self, x: Tensor, gain: Tensor | float = 1.0) -> Tensor:
        weight = (self.unit_weight() * gain).to(x.dtype)
        return F.conv1d(x, weight, padding=weight.shape[-1] // 2)

    @torch.no_grad()
    def fold(self) -> None:
        """Store the normalised weight; a second call changes nothing."""
        if not self.folded:
            self.weight.copy_(self.unit_weight())
            self.folded = True
