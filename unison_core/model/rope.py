"""Rotary position embedding (RoFormer) on adjacent pairs, as Wan and MMAudio use it.

The pair (x_2j, x_2j+1) of a token at position p turns by the angle p * theta^(-2j/d).
"""

import torch
from einops import repeat
from torch import Tensor


def rope_angles(positions: Tensor, dim: int, theta: float = 10000.0) -> Tensor:
    """Rotations `(..., L, dim/2, 2)` as float32 (cos, sin) of the angles at `positions` `(..., L)`, any real numbers.

    Computed in float64: a float32 angle of a few hundred radians is already off by 1e-5.
    """
    if dim % 2:
        raise ValueError(f"dim={dim} must be even: RoPE turns pairs")
    exponents = torch.arange(0, dim, 2, dtype=torch.float64, device=positions.device) / dim
    angles = positions.double()[..., None] * theta**-exponents  # (..., L, dim/2)
    return torch.stack((angles.cos(), angles.sin()), dim=-1).float()


def rope_angles_3d(
    grid: tuple[int, int, int], head_dim: int, theta: float = 10000.0, device: torch.device | None = None
) -> Tensor:
    """Rotations `(T*H*W, head_dim/2, 2)` of a token grid (T, H, W), row-major, by index along each axis.

    Height and width take 2*(d//6) channels each and time the rest (Wan: 128 -> 44, 42, 42).
    """
    side = 2 * (head_dim // 6)
    t, h, w = grid
    time, height, width = (
        rope_angles(torch.arange(count, device=device), dim, theta)
        for count, dim in zip(grid, (head_dim - 2 * side, side, side), strict=True)
    )
    parts = (
        repeat(time, "t d two -> (t h w) d two", h=h, w=w),
        repeat(height, "h d two -> (t h w) d two", t=t, w=w),
        repeat(width, "w d two -> (t h w) d two", t=t, h=h),
    )
    return torch.cat(parts, dim=-2)


def apply_rope(x: Tensor, angles: Tensor) -> Tensor:
    """Turn `x` `(B, H, L, d)` by `angles` `(L, d/2, 2)`, or any shape that broadcasts; computed in float32."""
    if not torch.compiler.is_compiling():
        return _Rotation.apply(x, angles)
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = angles.unbind(-1)
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)


class _Rotation(torch.autograd.Function):
    """Outside of a compiler: a complex product, one kernel where eight would run, and its inverse backward."""

    @staticmethod
    def forward(ctx, x, angles):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(angles)
        return _turned(x, torch.view_as_complex(angles))

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        (angles,) = ctx.saved_tensors
        return _turned(gradient, torch.view_as_complex(angles).conj()), None


def _turned(x: Tensor, by: Tensor) -> Tensor:
    pairs = x.float().unflatten(-1, (-1, 2))
    if pairs.stride(-1) != 1:
        pairs = pairs.contiguous()
    return torch.view_as_real(torch.view_as_complex(pairs) * by).flatten(-2).to(x.dtype)
