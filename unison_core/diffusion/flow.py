"""Flow matching on one noise level: x = (1 - sigma) x0 + sigma eps, v = eps - x0 (Unison eq. 2, in sigma notation)."""

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor


def expand(sigma: Tensor, x: Tensor) -> Tensor:
    """Sigma `(B,)` or per video frame `(B, T)` shaped to multiply `x` `(B, N, C)` or `(B, C, T, H, W)`."""
    if x.ndim == 5:
        return rearrange(sigma, "b t -> b 1 t 1 1")
    return rearrange(sigma, "b -> b 1 1")


def interpolate(x0: Tensor, eps: Tensor, sigma: Tensor) -> Tensor:
    """The noisy state x at `sigma`; sigma = 0 returns x0 and sigma = 1 returns eps."""
    s = expand(sigma, x0)
    return (1 - s) * x0 + s * eps


def velocity(x0: Tensor, eps: Tensor) -> Tensor:
    """The target v = eps - x0."""
    return eps - x0


def denoised(x: Tensor, v: Tensor, sigma: Tensor) -> Tensor:
    """The data estimate x0 = x - sigma v."""
    return x - expand(sigma, x) * v


def shift(sigma: Tensor, amount: float) -> Tensor:
    """Move noise levels towards 1: amount * s / (1 + (amount - 1) s); amount 1 is the identity, 0 and 1 stay fixed."""
    return amount * sigma / (1 + (amount - 1) * sigma)


@dataclass(frozen=True, kw_only=True)
class SigmaDistribution:
    """How training draws noise levels."""

    kind: str = "logit_normal"
    """`logit_normal` or `uniform`."""
    mean: float = 0.0
    """Mean of the logit; positive is noisier."""
    std: float = 1.0
    """Standard deviation of the logit."""
    shift: float = 1.0
    """Shift after the draw."""

    def __post_init__(self) -> None:
        if self.kind not in ("logit_normal", "uniform"):
            raise ValueError(f"kind={self.kind!r} is neither 'logit_normal' nor 'uniform'")
        if not (self.std > 0 and self.shift > 0 and math.isfinite(self.mean)):
            raise ValueError(f"std={self.std} and shift={self.shift} must be positive")

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Sigmas `(count,)` in (0, 1), float32, on the generator's device."""
        device = generator.device
        if self.kind == "uniform":
            sigma = torch.rand(count, generator=generator, device=device)
        else:
            sigma = torch.sigmoid(torch.randn(count, generator=generator, device=device) * self.std + self.mean)
        return shift(sigma, self.shift)
