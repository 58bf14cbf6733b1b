"""Layers computed in float32 whatever types autocast or loading left in weights and inputs."""

import torch.nn.functional as F
from torch import Tensor, nn


def rms_norm(norm: nn.RMSNorm, x: Tensor) -> Tensor:
    """`norm` of `x` in float32."""
    return F.rms_norm(x.float(), norm.normalized_shape, norm.weight.float(), norm.eps)


def layer_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """`norm` of `x` in float32."""
    return F.layer_norm(x.float(), norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps)


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """`layer` of `x` in float32; under autocast, call it where autocast is disabled."""
    return F.linear(x.float(), layer.weight.float(), layer.bias.float())
