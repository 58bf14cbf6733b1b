"""SI-SDR (Le Roux et al. 2019), of zero-mean signals.

a = <y, x> / <x, x>,    SI-SDR = 10 log10 |a x|^2 / |a x - y|^2
"""

import torch
from torch import Tensor


def si_sdr(made: Tensor, real: Tensor) -> Tensor:
    """Decibels for waves `(..., samples)`; higher is better."""
    made, real = (wave.double() - wave.double().mean(dim=-1, keepdim=True) for wave in (made, real))
    scale = (made * real).sum(dim=-1, keepdim=True) / real.square().sum(dim=-1, keepdim=True).clamp(min=1e-12)
    target = scale * real
    error = (target - made).square().sum(dim=-1).clamp(min=1e-20)
    return 10 * torch.log10(target.square().sum(dim=-1).clamp(min=1e-20) / error)
