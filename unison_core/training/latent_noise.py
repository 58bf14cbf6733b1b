"""Disturbed latents for decoders, and the latents' statistics."""

import torch
from torch import Tensor


def disturb(mean: Tensor, logvar: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """A draw from the posterior plus noise of up to `amount` times each channel's spread.

    Args:
        mean, logvar: posterior `(B, C, ...)`.
        amount: the relative size is uniform in [0, amount] per sample.
        generator: on the device of `mean`.
    """
    per_sample = (len(mean), *[1] * (mean.ndim - 1))
    inner, outer = (_noise(mean, mean.shape, generator) for _ in range(2))
    relative = amount * torch.rand(per_sample, generator=generator, device=mean.device)
    _, std = channel_stats(mean.detach())
    spread = std.view(1, -1, *[1] * (mean.ndim - 2))
    return mean + (0.5 * logvar).exp() * inner + relative * spread * outer


def channel_stats(latents: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel, `(C,)` float32, of latents `(B, C, ...)`."""
    flat = latents.float().transpose(0, 1).flatten(1)  # (C, values)
    return flat.mean(dim=1), flat.std(dim=1).clamp(min=1e-4)


def _noise(like: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)
