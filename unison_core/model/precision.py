"""Layers computed in float32 whatever types autocast or loading left in weights and inputs.

Norms compute in float32 inside and round once, at their output: where inputs and weights have one type, one kernel does
it, and no float32 copy of the tokens is made.
"""

import torch.nn.functional as F
from torch import Tensor, nn


def rms_norm(norm: nn.RMSNorm, x: Tensor) -> Tensor:
    """`norm` of `x` computed in float32; in the type of `x` where the weights have it too, else float32."""
    if norm.weight.dtype == x.dtype:
        return F.rms_norm(x, norm.normalized_shape, norm.weight, norm.eps)
    return F.rms_norm(x.float(), norm.normalized_shape, norm.weight.float(), norm.eps)


def layer_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """`norm` of `x` computed in float32; in the type of `x` where the weights have it too, else float32."""
    if norm.weight.dtype == x.dtype:
        return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
    return F.layer_norm(x.float(), norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps)


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """`layer` of `x` in float32; under autocast, call it where autocast is disabled."""
    return F.linear(x.float(), layer.weight.float(), layer.bias.float())
