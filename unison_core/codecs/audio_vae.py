"""Mel spectrogram <-> audio latents: MMAudio's VAE of 1-D magnitude-preserving convolutions (public_weights: MMAudio).

    log-mel (B, mels, 2N)  ->  mean, log-variance (B, C, N)  ->  log-mel (B, mels, 2N)

Frequency bands are channels: convolutions run along time alone. Keys match the public weights.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from unison_core.codecs.magnitude_preserving import MPConv1d, mp_silu, mp_sum, normalize
from unison_core.config import AudioVAEConfig

RESIDUAL_BLEND = 0.3
ACTIVATION_LIMIT = 256.0
KERNEL = 3


@dataclass(frozen=True)
class Posterior:
    """Diagonal Gaussian over latents.

    Attributes:
        mean, logvar: `(B, C, N)`.
    """

    mean: Tensor
    logvar: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw `(B, C, N)`."""
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype)
        return self.mean + (0.5 * self.logvar).exp() * noise

    def kl(self) -> Tensor:
        """Divergence from the standard normal in nats, `(B, C, N)`."""
        return 0.5 * (self.mean.square() + self.logvar.exp() - 1 - self.logvar)


class ResnetBlock1d(nn.Module):
    """Pixel norm, two convolutions, magnitude-preserving residual."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.conv1 = MPConv1d(in_dim, out_dim, KERNEL)
        self.conv2 = MPConv1d(out_dim, out_dim, KERNEL)
        if in_dim != out_dim:
            self.nin_shortcut = MPConv1d(in_dim, out_dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = normalize(x, dims=1)
        h = self.conv2(mp_silu(self.conv1(mp_silu(x))))
        if hasattr(self, "nin_shortcut"):
            x = self.nin_shortcut(x)
        return mp_sum(x, h, RESIDUAL_BLEND)


class AttentionBlock1d(nn.Module):
    """Single-head self-attention along time with unit-magnitude queries, keys and values."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = MPConv1d(dim, 3 * dim, 1)
        self.proj_out = MPConv1d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        qkv = rearrange(self.qkv(x), "b (c three) l -> three b 1 l c", three=3)
        q, k, v = normalize(qkv, dims=-1)
        h = rearrange(F.scaled_dot_product_attention(q, k, v), "b 1 l c -> b c l")
        return mp_sum(x, self.proj_out(h), RESIDUAL_BLEND)


class Downsample1d(nn.Module):
    """Pointwise, mean of neighbours, pointwise: L to L / 2."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = MPConv1d(dim, dim, 1)
        self.conv2 = MPConv1d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.avg_pool1d(self.conv1(x), kernel_size=2, stride=2))


class Upsample1d(nn.Module):
    """Nearest neighbour, then a convolution: L to 2 L."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = MPConv1d(dim, dim, KERNEL)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest-exact"))


class Level(nn.Module):
    """Residual blocks of one width, each with attention where the level has it; then the change of rate, if any."""

    def __init__(self, in_dim: int, out_dim: int, blocks: int, *, attention: bool, down: bool, up: bool) -> None:
        super().__init__()
        dims = [in_dim, *[out_dim] * blocks]
        self.block = nn.ModuleList(ResnetBlock1d(a, b) for a, b in pairwise(dims))
        self.attn = nn.ModuleList(AttentionBlock1d(out_dim) for _ in range(blocks if attention else 0))
        if down:
            self.downsample = Downsample1d(out_dim)
        if up:
            self.upsample = Upsample1d(out_dim)

    def forward(self, x: Tensor) -> Tensor:
        for i, block in enumerate(self.block):
            x = block(x)
            if self.attn:
                x = self.attn[i](x)
            x = x.clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)
        if hasattr(self, "downsample"):
            x = self.downsample(x)
        if hasattr(self, "upsample"):
            x = self.upsample(x)
        return x


class Middle(nn.Module):
    """Residual block, attention (if configured), residual block."""

    def __init__(self, dim: int, attention: bool) -> None:
        super().__init__()
        self.block_1 = ResnetBlock1d(dim, dim)
        self.attn_1 = AttentionBlock1d(dim) if attention else nn.Identity()
        self.block_2 = ResnetBlock1d(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x))).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


class Encoder1d(nn.Module):
    """Normalised mel `(B, mels, L)` to moments `(B, 2C, N)`."""

    def __init__(self, config: AudioVAEConfig, mels: int) -> None:
        super().__init__()
        dims = [config.dim * m for m in (1, *config.mult)]
        self.conv_in = MPConv1d(mels, config.dim, KERNEL)
        self.down = nn.ModuleList()
        for i, (in_dim, out_dim) in enumerate(pairwise(dims)):
            attention, down = i in config.attention_levels, i in config.downsample_levels
            self.down.append(Level(in_dim, out_dim, config.num_res_blocks, attention=attention, down=down, up=False))
        self.mid = Middle(dims[-1], config.mid_attention)
        self.conv_out = MPConv1d(dims[-1], 2 * config.latent_channels, KERNEL)
        self.learnable_gain = nn.Parameter(torch.zeros([]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(mp_silu(self.mid(x)), gain=self.learnable_gain + 1)


class Decoder1d(nn.Module):
    """Latents `(B, C, N)` to normalised mel `(B, mels, L)`; the level above a halving doubles again."""

    def __init__(self, config: AudioVAEConfig, mels: int) -> None:
        super().__init__()
        dims = [config.dim * m for m in (*config.mult, config.mult[-1])]
        self.conv_in = MPConv1d(config.latent_channels, dims[-1], KERNEL)
        self.mid = Middle(dims[-1], config.mid_attention)
        self.up = nn.ModuleList()
        for i, (out_dim, in_dim) in enumerate(pairwise(dims)):
            attention, up = i in config.attention_levels, i - 1 in config.downsample_levels
            self.up.append(Level(in_dim, out_dim, config.num_res_blocks + 1, attention=attention, down=False, up=up))
        self.conv_out = MPConv1d(dims[0], mels, KERNEL)
        self.learnable_gain = nn.Parameter(torch.zeros([]))

    def forward(self, z: Tensor) -> Tensor:
        x = self.mid(self.conv_in(z))
        for level in reversed(self.up):  # type: ignore[call-overload]
            x = level(x)
        return self.conv_out(mp_silu(x), gain=self.learnable_gain + 1)


class AudioVAE(nn.Module):
    """Mel VAE. `data_mean` and `data_std` `(1, mels, 1)` normalise the mel bands and travel with the weights."""

    data_mean: Tensor
    data_std: Tensor

    def __init__(self, config: AudioVAEConfig, mels: int) -> None:
        super().__init__()
        levels = len(config.mult)
        if any(i + 1 >= levels for i in config.downsample_levels):
            raise ValueError(f"downsample_levels={config.downsample_levels} must lie below the last of {levels} levels")
        self.config = config
        self.register_buffer("data_mean", torch.zeros(1, mels, 1))
        self.register_buffer("data_std", torch.ones(1, mels, 1))
        self.encoder = Encoder1d(config, mels)
        self.decoder = Decoder1d(config, mels)

    @property
    def frames_per_latent(self) -> int:
        """Mel frames per latent."""
        return 2 ** len(self.config.downsample_levels)

    def encode(self, mel: Tensor) -> Posterior:
        """Posterior over latents `(B, C, N)` of log-mel `(B, mels, L)`; L is a multiple of `frames_per_latent`."""
        if mel.shape[-1] % self.frames_per_latent:
            raise ValueError(f"mel frames={mel.shape[-1]} must be a multiple of {self.frames_per_latent}")
        mean, logvar = self.encoder((mel - self.data_mean) / self.data_std).chunk(2, dim=1)
        return Posterior(mean, logvar.clamp(-30, 20))

    def decode(self, z: Tensor) -> Tensor:
        """Log-mel `(B, mels, L)` of latents `(B, C, N)`."""
        return self.decoder(z) * self.data_std + self.data_mean

    def fold(self) -> "AudioVAE":
        """Write normalised weights in place, for inference; returns self."""
        for module in self.modules():
            if isinstance(module, MPConv1d):
                module.fold()
        return self
