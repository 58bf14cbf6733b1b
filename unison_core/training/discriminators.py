"""Adversaries of the vocoder: waves folded at prime periods, and spectrograms at several resolutions.

Periods: Kong et al. 2020 (HiFi-GAN, sec. 2.3). Resolutions: Jang et al. 2021 (UnivNet, sec. 2.3). Least squares,

    D: sum_k mean (1 - D_k(x))^2 + D_k(y)^2,  G: sum_k mean (1 - D_k(y))^2
    features: sum_k,l mean |F_kl(x) - F_kl(y)|
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from unison_core.training.spectral_loss import magnitude

SLOPE = 0.1
Judgement = list[Tensor]
"""Features of every layer; the last is the score map."""


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Sizes of the adversaries."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_channels: tuple[int, ...] = (16, 64, 128, 256)
    """Widths of the strided layers of a period discriminator."""
    windows: tuple[int, ...] = (512, 1024, 2048)
    """Windows of the spectrogram discriminators."""
    window_channels: int = 16


class PeriodDiscriminator(nn.Module):
    """Judges a wave `(B, S)` folded to `(B, 1, S / period, period)`."""

    def __init__(self, period: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.period = period
        widths = [1, *channels]
        layers = [nn.Conv2d(a, b, (5, 1), (3, 1), padding=(2, 0)) for a, b in pairwise(widths)]
        layers += [nn.Conv2d(widths[-1], widths[-1], (5, 1), padding=(2, 0))]
        layers += [nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0))]
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)

    def forward(self, wave: Tensor) -> Judgement:
        padded = F.pad(wave[:, None], (0, -wave.shape[-1] % self.period), mode="reflect")
        return _judge(self.layers, rearrange(padded, "b c (t p) -> b c t p", p=self.period))


class WindowDiscriminator(nn.Module):
    """Judges the magnitude spectrogram of a wave `(B, S)` as a picture `(B, 1, frames, bins)`."""

    window: Tensor

    def __init__(self, window: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(window), persistent=False)
        layers = [nn.Conv2d(1, channels, (3, 9), padding=(1, 4))]
        layers += [nn.Conv2d(channels, channels, (3, 9), (1, 2), padding=(1, 4)) for _ in range(3)]
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.Conv2d(channels, 1, 3, padding=1)]
        self.layers = nn.ModuleList(weight_norm(layer) for layer in layers)

    def forward(self, wave: Tensor) -> Judgement:
        with torch.autocast(wave.device.type, enabled=False):
            spectrogram = magnitude(wave.float(), self.window)
        return _judge(self.layers, rearrange(spectrogram, "b f t -> b 1 t f"))


class Discriminators(nn.Module):
    """All adversaries: a wave `(B, S)` to a judgement by each."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.judges = nn.ModuleList(
            [
                *(PeriodDiscriminator(period, config.period_channels) for period in config.periods),
                *(WindowDiscriminator(window, config.window_channels) for window in config.windows),
            ]
        )

    def forward(self, wave: Tensor) -> list[Judgement]:
        return [judge(wave) for judge in self.judges]


def discriminator_loss(judgements: Sequence[Judgement]) -> Tensor:
    """Least-squares loss that teaches judges real (1) from made (0); the judged batch is real waves, then made ones."""
    scores = [judgement[-1].float().chunk(2) for judgement in judgements]
    return torch.stack([(1 - real).square().mean() + made.square().mean() for real, made in scores]).sum()


def adversarial_loss(made: Sequence[Judgement]) -> Tensor:
    """Least-squares loss of a generator that wants its waves taken for real."""
    return torch.stack([(1 - m[-1].float()).square().mean() for m in made]).sum()


def feature_loss(real: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """Mean absolute differences of features, summed over judges and layers."""
    pairs = [(r, m) for a, b in zip(real, made, strict=True) for r, m in zip(a[:-1], b[:-1], strict=True)]
    return torch.stack([(r.detach().float() - m.float()).abs().mean() for r, m in pairs]).sum()


def _judge(layers: nn.ModuleList, x: Tensor) -> Judgement:
    features = []
    for layer in layers[:-1]:
        x = F.leaky_relu(layer(x), SLOPE)
        features.append(x)
    return [*features, layers[-1](x)]
