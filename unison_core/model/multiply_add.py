"""a + b * c over tokens: modulation (adaLN) and gated residual sums, in float32 inside and rounded once.

PyTorch's own operations on bf16 tokens and float32 factors write float32 tokens and cast them afterwards, and so does
their backward pass. Here one kernel reads and writes the tokens' own type each way.
"""

import torch
from torch import Tensor


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """shift + x * (1 + scale) in the type of `x`; shift and scale broadcast against it."""
    return multiply_add(shift, x, 1 + scale, x.dtype)


def gated_sum(x: Tensor, update: Tensor, gate: Tensor) -> Tensor:
    """x + update * gate in the type of `x`; `gate` broadcasts against it."""
    return multiply_add(x, update, gate, x.dtype)


def multiply_add(a: Tensor, b: Tensor, c: Tensor, dtype: torch.dtype) -> Tensor:
    """a + b * c in `dtype`, of the shape of `b`, against which a and c broadcast; computed in the widest type."""
    if torch.compiler.is_compiling():  # a compiler fuses the casts
        return torch.addcmul(a, b, c).to(dtype)
    return _MultiplyAdd.apply(a, b, c, dtype)


class _MultiplyAdd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b, c, dtype):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(b, c)
        ctx.like_a = a.shape, a.dtype
        return torch.addcmul(a, b, c, out=torch.empty(b.shape, dtype=dtype, device=b.device))

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        b, c = ctx.saved_tensors
        for_a, for_b, for_c, _ = ctx.needs_input_grad
        shape, dtype = ctx.like_a
        return (
            _sum_to(gradient, shape).to(dtype) if for_a else None,
            torch.mul(gradient, c, out=torch.empty_like(b)) if for_b else None,
            _sum_to(gradient * b, c.shape).to(c.dtype) if for_c else None,
            None,
        )


def _sum_to(x: Tensor, shape: torch.Size) -> Tensor:
    """`x` summed over what a tensor of `shape` was broadcast along, in float32 at least."""
    if x.shape == shape:
        return x
    aligned = (1,) * (x.ndim - len(shape)) + tuple(shape)
    along = [i for i, (length, kept) in enumerate(zip(x.shape, aligned, strict=True)) if kept == 1 != length]
    wide = torch.promote_types(x.dtype, torch.float32)
    return x.sum(along, keepdim=True, dtype=wide).reshape(shape) if along else x.reshape(shape)
