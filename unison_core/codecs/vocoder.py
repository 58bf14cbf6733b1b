"""Mel spectrogram -> waveform: BigVGAN's generator (Lee et al. 2023; public weights: nvidia/bigvgan_v2).

    x_0 = conv(mel);   x_{i+1} = mean_k AMP_k(upsample_i(x_i));   wave = bound(conv(snakebeta(x_n)))

Keys match the public weights once `fold_weight_norm` has merged their weight-norm pairs.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from unison_core.codecs.anti_aliased import AntiAliased
from unison_core.codecs.vocos import Vocos
from unison_core.config import CodecConfig, VocoderConfig

EDGE_KERNEL = 7
INIT_STD = 0.01


def _same(channels_in: int, channels_out: int, kernel: int, dilation: int = 1, bias: bool = True) -> nn.Conv1d:
    padding = dilation * (kernel - 1) // 2
    return nn.Conv1d(channels_in, channels_out, kernel, dilation=dilation, padding=padding, bias=bias)


class AMPBlock(nn.Module):
    """Anti-aliased multi-periodicity block: residual pairs of dilated and plain convolutions, `(B, C, L)` to itself."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_same(channels, channels, kernel, d) for d in dilations)
        self.convs2 = nn.ModuleList(_same(channels, channels, kernel) for _ in dilations)
        self.activations = nn.ModuleList(AntiAliased(channels) for _ in range(2 * len(dilations)))

    def forward(self, x: Tensor) -> Tensor:
        for i, (dilated, plain) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            h = dilated(self.activations[2 * i](x))
            x = x + plain(self.activations[2 * i + 1](h))
        return x


class Vocoder(nn.Module):
    """BigVGAN generator: log-mel `(B, mels, L)` to waveform `(B, L * hop)` in [-1, 1]."""

    def __init__(self, config: VocoderConfig, mels: int) -> None:
        super().__init__()
        if config.activation != "snakebeta":
            raise ValueError(f"activation={config.activation!r} is not 'snakebeta'")
        if len(config.upsample_rates) != len(config.upsample_kernels):
            raise ValueError(f"{config.upsample_rates=} and {config.upsample_kernels=} differ in length")
        self.config = config
        self.conv_pre = _same(mels, config.channels, EDGE_KERNEL)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        channels = config.channels
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernels, strict=True):
            up = nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2)
            self.ups.append(nn.ModuleList([up]))
            channels //= 2
            for size, dilations in zip(config.resblock_kernels, config.resblock_dilations, strict=True):
                self.resblocks.append(AMPBlock(channels, size, dilations))
        self.activation_post = AntiAliased(channels)
        # The public v2 weights bound by clamping and have no final bias; v1 has tanh and a bias.
        self.conv_post = _same(channels, 1, EDGE_KERNEL, bias=config.final_tanh)
        for module in (*self.ups.modules(), *self.resblocks.modules(), self.conv_post):
            if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
                nn.init.normal_(module.weight, std=INIT_STD)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.conv_pre(mel)
        per_level = len(self.config.resblock_kernels)
        for i, ups in enumerate(self.ups):
            x = ups[0](x)  # type: ignore[index]
            blocks = self.resblocks[i * per_level : (i + 1) * per_level]
            x = sum(block(x) for block in blocks) / per_level
        wave = self.conv_post(self.activation_post(x))[:, 0]
        return wave.tanh() if self.config.final_tanh else wave.clamp(-1, 1)


def fold_weight_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Merge every pair `*.weight_g`, `*.weight_v` of a public checkpoint into `*.weight` = g v / |v|."""
    folded = {key: value for key, value in state.items() if not re.search(r"\.weight_[gv]$", key)}
    for key, direction in state.items():
        if key.endswith(".weight_v"):
            stem = key.removesuffix("_v")
            norm = torch.linalg.vector_norm(direction, dim=tuple(range(1, direction.ndim)), keepdim=True)
            folded[stem] = state[f"{stem}_g"] * direction / norm
    return folded


def build_vocoder(codecs: CodecConfig, sample_rate_hz: int) -> nn.Module:
    """The vocoder of a preset, log-mel `(B, mels, L)` to wave `(B, L * hop)`: BigVGAN or Vocos."""
    if codecs.vocoder is not None:
        return Vocoder(codecs.vocoder, codecs.mel.mels)
    assert codecs.vocos is not None
    return Vocos(codecs.vocos, codecs.mel, sample_rate_hz)
