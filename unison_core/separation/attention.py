"""Attention and rotation of the package's RoFormers, exchanged for torch's fused attention and a rotation in float32.

The package turns queries by angles that it keeps in the precision of the activations, where bf16 holds no position
above 256 exactly, and chooses attention kernels by a call that torch has deprecated. Neither change touches a weight.
"""

import torch
import torch.nn.functional as F
from bs_roformer.mel_band_roformer import Attention
from einops import rearrange
from torch import Tensor, nn


class FusedAttend(nn.Module):
    """softmax(q k^T / sqrt(d)) v for `(B, heads, N, d)`, by the fastest kernel of the device.

    Keys and values are means of `pool` neighbours each, which costs so many times less.
    """

    def __init__(self, pool: int = 1) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, pooled(k, self.pool), pooled(v, self.pool))


def pooled(t: Tensor, count: int) -> Tensor:
    """`(..., N, d)` -> `(..., N / count rounded up, d)`: means of neighbours; the last is one of what is left."""
    if count == 1:
        return t
    whole = t.shape[-2] // count * count
    means = t[..., :whole, :].unflatten(-2, (-1, count)).mean(dim=-2)
    rest = t[..., whole:, :]
    return torch.cat((means, rest.mean(dim=-2, keepdim=True)), dim=-2) if rest.shape[-2] else means


class Rotation(nn.Module):
    """Rotary positions 0, 1, 2, ... at the given frequencies; pairs are neighbours, as in the package."""

    freqs: Tensor

    def __init__(self, freqs: Tensor) -> None:
        super().__init__()
        self.register_buffer("freqs", freqs.detach().float().clone(), persistent=False)

    def angles(self, count: int) -> Tensor:
        """Of positions 0 to `count` - 1: `(N, d / 2)`, float32."""
        positions = torch.arange(count, device=self.freqs.device, dtype=torch.float32)
        return positions[:, None] * self.freqs

    def rotate_queries_or_keys(self, t: Tensor) -> Tensor:
        """`(..., N, d)` -> `(..., N, d)`, computed in float32 and cast back."""
        angles = self.angles(t.shape[-2])
        pairs = rearrange(t.float(), "... (f r) -> ... f r", r=2)
        if torch.compiler.is_compiling():  # compilers fuse real products, and leave complex ones alone
            x, y = pairs.unbind(dim=-1)
            cos, sin = angles.cos(), angles.sin()
            turned = torch.stack((x * cos - y * sin, x * sin + y * cos), dim=-1)
        else:
            turned = torch.view_as_real(torch.view_as_complex(pairs) * torch.polar(torch.ones_like(angles), angles))
        return rearrange(turned, "... f r -> ... (f r)").to(t.dtype)


def use_fused_attention(model: nn.Module) -> None:
    """Exchange both parts in every attention of `model`, in place; rotations that layers share stay shared."""
    rotations: dict[int, Rotation] = {}
    for module in model.modules():
        if isinstance(module, Attention):
            module.attend = FusedAttend()
            old = module.rotary_embed
            module.rotary_embed = rotations.setdefault(id(old), Rotation(old.freqs))
