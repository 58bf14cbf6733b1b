"""SnakeBeta at twice the rate between low-pass filters, so that its harmonics do not fold back (BigVGAN, sec. 3).

    snakebeta(x) = x + sin^2(e^alpha x) / e^beta
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = 12
RATIO = 2


def kaiser_sinc(cutoff: float, half_width: float, taps: int) -> Tensor:
    """Low-pass filter `(1, 1, taps)` of unit gain at 0; `cutoff` and `half_width` in cycles per sample."""
    attenuation_db = 2.285 * (taps // 2 - 1) * math.pi * 4 * half_width + 7.95
    if attenuation_db > 50:
        beta = 0.1102 * (attenuation_db - 8.7)
    elif attenuation_db >= 21:
        beta = 0.5842 * (attenuation_db - 21) ** 0.4 + 0.07886 * (attenuation_db - 21)
    else:
        beta = 0.0
    centre = 0.5 if taps % 2 == 0 else 0.0
    time = torch.arange(-(taps // 2), taps - taps // 2) + centre
    response = torch.sinc(2 * cutoff * time) * torch.kaiser_window(taps, beta=beta, periodic=False)
    return (response / response.sum()).view(1, 1, taps)


class SnakeBeta(nn.Module):
    """`(B, C, L)` elementwise; alpha and beta are logarithms, one each per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        alpha, beta = self.alpha.exp()[:, None], self.beta.exp()[:, None]
        return x + (x * alpha).sin().square() / (beta + 1e-9)


class Upsample(nn.Module):
    """`(B, C, L)` to `(B, C, 2L)`, band-limited."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", kaiser_sinc(0.5 / RATIO, 0.6 / RATIO, TAPS))

    def forward(self, x: Tensor) -> Tensor:
        channels, pad = x.shape[1], TAPS // RATIO - 1
        kernel = RATIO * self.filter.to(x.dtype).expand(channels, -1, -1)
        x = F.conv_transpose1d(F.pad(x, (pad, pad), mode="replicate"), kernel, stride=RATIO, groups=channels)
        cut = pad * RATIO + (TAPS - RATIO) // 2
        return x[..., cut:-cut]


class LowPass(nn.Module):
    """`(B, C, 2L)` to `(B, C, L)`, band-limited."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", kaiser_sinc(0.5 / RATIO, 0.6 / RATIO, TAPS))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        x = F.pad(x, (TAPS // 2 - 1, TAPS // 2), mode="replicate")
        return F.conv1d(x, self.filter.to(x.dtype).expand(channels, -1, -1), stride=RATIO, groups=channels)


class Downsample(nn.Module):
    """Holds the low-pass under the name that the public weights give it."""

    def __init__(self) -> None:
        super().__init__()
        self.lowpass = LowPass()

    def forward(self, x: Tensor) -> Tensor:
        return self.lowpass(x)


class AntiAliased(nn.Module):
    """Upsample, SnakeBeta, downsample: `(B, C, L)` to `(B, C, L)`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act = SnakeBeta(channels)
        self.upsample = Upsample()
        self.downsample = Downsample()

    def forward(self, x: Tensor) -> Tensor:
        return self.downsample(self.act(self.upsample(x)))
