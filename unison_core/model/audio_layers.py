"""Layers of MMAudio's transformer: channel-last convolutions, gated MLPs, time embedding and the final layer.

Parameter names are those of the public weights.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison_core.model.multiply_add import modulate

Segments = tuple[Tensor, ...]
"""Token sequences `(B, n, D)` that attend to each other but share no convolution window."""


def hidden_width(width: float) -> int:
    """Hidden width of a gated MLP: 2/3 of `width`, rounded up to a multiple of 256 (MMAudio)."""
    return 256 * -(-int(2 * int(width) / 3) // 256)


def per_segment(layer: Callable[[Tensor], Tensor], segments: Segments) -> Segments:
    """Apply a convolutional `layer` to every segment on its own; segments of one length go through as one batch."""
    if len(segments) > 1 and _one_length(segments):
        return layer(torch.cat(segments)).chunk(len(segments))
    return tuple(layer(x) for x in segments)


def per_segment_of(layer: Callable[[Tensor], Tensor], joined: Tensor, segments: Segments) -> Segments:
    """The same where tokens `(B, sum of n, D)` lie joined along time, cut as `segments` are: a batch without a copy."""
    if _one_length(segments):
        batch = joined.unflatten(1, (len(segments), -1)).flatten(0, 1)  # (B * segments, n, D)
        return layer(batch).unflatten(0, (-1, len(segments))).unbind(1)
    return tuple(layer(x) for x in joined.split([x.shape[1] for x in segments], dim=1))


def join(segments: Segments, dim: int) -> Tensor:
    """Concatenation; a single segment as it is."""
    return segments[0] if len(segments) == 1 else torch.cat(segments, dim=dim)


def _one_length(segments: Segments) -> bool:
    """Not by a set of lengths: hashing fixes them for a compiler."""
    first, *others = segments
    return all(x.shape[1] == first.shape[1] for x in others)


class ChannelLastConv1d(nn.Conv1d):
    """Convolution over time of `(B, N, C)`, length kept."""

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int, bias: bool = True) -> None:
        super().__init__(in_dim, out_dim, kernel_size, padding=kernel_size // 2, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.transpose(1, 2)).transpose(1, 2)


class HeadNorm(nn.RMSNorm):
    """RMS norm of queries or keys over a head's channels, in the input's type: under autocast it stays one kernel."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


class GatedMLP(nn.Module):
    """w2(SiLU(w1 x) * w3 x), each w a convolution over time of `kernel_size`, or a linear layer where that is 1."""

    def __init__(self, dim: int, width: float, kernel_size: int = 1) -> None:
        super().__init__()
        hidden = hidden_width(width)
        self.w1 = token_layer(dim, hidden, kernel_size, bias=False)
        self.w2 = token_layer(hidden, dim, kernel_size, bias=False)
        self.w3 = token_layer(dim, hidden, kernel_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


def token_layer(in_dim: int, out_dim: int, kernel_size: int, bias: bool = True) -> nn.Module:
    """A linear layer over tokens that sees `kernel_size` neighbours."""
    if kernel_size == 1:
        return nn.Linear(in_dim, out_dim, bias=bias)
    return ChannelLastConv1d(in_dim, out_dim, kernel_size, bias=bias)


class TimeEmbedding(nn.Module):
    """MLP over sinusoids of MMAudio's time t = 1 - sigma, in [0, 1].

    Args:
        scale: factor on the frequencies 10000^(-2i/freq_dim); the public v2 model has 1e4.
    """

    def __init__(self, dim: int, freq_dim: int, scale: float) -> None:
        super().__init__()
        self.freq_dim, self.scale = freq_dim, scale
        self.mlp = nn.Sequential(nn.Linear(freq_dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        for layer in (self.mlp[0], self.mlp[2]):
            nn.init.normal_(layer.weight, std=0.02)  # type: ignore[arg-type]

    def forward(self, t: Tensor) -> Tensor:
        """Embedding `(B, D)` of times `(B,)`; the sinusoids are computed in float32."""
        exponents = torch.arange(0, self.freq_dim, 2, dtype=torch.float32, device=t.device) / self.freq_dim
        angles = t.float()[:, None] * (self.scale * 10000.0**-exponents)
        features = torch.cat((angles.cos(), angles.sin()), dim=-1)
        return self.mlp(features.to(next(self.mlp.parameters()).dtype))


class FinalLayer(nn.Module):
    """adaLN and a convolution to latent channels; starts at zero."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.adaLN_modulation = modulation(dim, 2)
        self.conv = ChannelLastConv1d(dim, out_dim, kernel_size=7)
        zero_(self.conv)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Latents `(B, N, C)` of tokens `(B, N, D)` under a condition `(B, 1, D)`."""
        shift, scale = self.adaLN_modulation(condition).chunk(2, dim=-1)
        return self.conv(modulate(self.norm(x), shift, scale))


def modulation(dim: int, parts: int) -> nn.Sequential:
    """SiLU and a linear layer to `parts` modulation vectors, zero at first: adaLN-zero (DiT)."""
    layers = nn.Sequential(nn.SiLU(), nn.Linear(dim, parts * dim))
    zero_(layers[1])
    return layers


def zero_(layer: nn.Module) -> None:
    """Set every parameter of `layer` to zero, so that its output starts at zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    layer.starts_at_zero = True  # type: ignore[assignment]  # general initialisation leaves it alone
