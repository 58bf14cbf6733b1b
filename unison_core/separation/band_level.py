"""A band split that also tells each token how loud its band is.

    token = W normalise(x_band) + b + u log10(|x_band|^2 / mean |x|^2)

The papers' split normalises every band of every spectrum by itself (RMSNorm), so that levels are lost, which a small
model cannot make up for. Levels are relative to the window's mean: a louder recording gives the same masks.
"""

import torch
from bs_roformer.mel_band_roformer import BandSplit
from torch import Tensor, nn

FLOOR = 1e-6
"""Levels end 60 dB under the mean."""


class LevelBandSplit(BandSplit):
    """`(B, T, F)` real and imaginary parts -> tokens `(B, T, bands, D)`."""

    def __init__(self, dim: int, dim_inputs: tuple[int, ...]) -> None:
        super().__init__(dim=dim, dim_inputs=dim_inputs)
        self.to_level = nn.Parameter(0.02 * torch.randn(len(dim_inputs), dim))

    def forward(self, x: Tensor) -> Tensor:
        powers = [band.float().square().mean(dim=-1) for band in x.split(self.dim_inputs, dim=-1)]
        level = relative_level(torch.stack(powers, dim=-1))
        return super().forward(x) + level[..., None] * self.to_level


def relative_level(power: Tensor) -> Tensor:
    """log10 of the mean squares `(B, T, bands)`, or `(B, bands, T)`, over their mean in each window."""
    mean = power.mean(dim=(1, 2), keepdim=True)
    return (power / mean.clamp(min=1e-20) + FLOOR).log10()
