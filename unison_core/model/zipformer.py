"""Zipformer encoder at a constant rate, as ZipVoice's text encoder uses it (Zipformer, arXiv 2310.11230; ZipVoice).

One layer computes its attention weights once and uses them three times (non-linear attention, two self-attentions),
between feed-forwards and gated convolutions, and mixes its output with its input per channel:

    x' = x + b * (BiasNorm(layer(x)) - x).

Parameter names are the public ones. The training aids of the original (balancers, whitening, scheduled skips) carry no
state and are left out: what remains computes the same function.
"""

import math

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from unison_core.config import TranscriptConfig

MASKED = -1000.0
"""Attention score of padding: its weight is exactly zero, and a row of nothing but padding stays finite."""


def swoosh_l(x: Tensor) -> Tensor:
    """log(1 + e^(x-4)) - 0.08 x - 0.035"""
    return F.softplus(x - 4.0) - 0.08 * x - 0.035


def swoosh_r(x: Tensor) -> Tensor:
    """log(1 + e^(x-1)) - 0.08 x - 0.313261687"""
    return F.softplus(x - 1.0) - 0.08 * x - 0.313261687


def scaled_linear(in_dim: int, out_dim: int, scale: float, bias: bool = True) -> nn.Linear:
    """A linear layer whose initial weights are `scale` times the usual ones: branches start small."""
    layer = nn.Linear(in_dim, out_dim, bias=bias)
    with torch.no_grad():
        layer.weight.mul_(scale)
        if bias:
            nn.init.uniform_(layer.bias, -0.1 * scale, 0.1 * scale)
    return layer


class BiasNorm(nn.Module):
    """x * exp(log_scale) / rms(x - bias): a norm that can keep the length of x in one direction."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(1.0))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        scale = (wide - self.bias).square().mean(dim=-1, keepdim=True).rsqrt() * self.log_scale.exp()
        return (wide * scale).to(x.dtype)


class Bypass(nn.Module):
    """Per-channel mix of a layer's input and output; 0 is the input.

    Starts at 0.9, the floor that the original imposes early in training so that every layer learns something.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.bypass_scale = nn.Parameter(torch.full((dim,), 0.9))

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        return before + (after - before) * self.bypass_scale.to(before.dtype)


class AttentionWeights(nn.Module):
    """softmax(q k^T + p R^T), with q, k, p projections of x and R of the relative positions. No 1/sqrt(d) factor."""

    def __init__(self, dim: int, config: TranscriptConfig) -> None:
        super().__init__()
        self.heads, self.query_head_dim, self.pos_head_dim = config.heads, config.query_head_dim, config.pos_head_dim
        width = config.heads * (2 * config.query_head_dim + config.pos_head_dim)
        self.in_proj = scaled_linear(dim, width, scale=config.query_head_dim**-0.25)
        self.linear_pos = scaled_linear(config.pos_dim, config.heads * config.pos_head_dim, scale=0.05, bias=False)

    def forward(self, x: Tensor, positions: Tensor, padding: Tensor) -> Tensor:
        """Weights `(B, H, S, S)` of `x` `(B, S, D)`, with `positions` `(S, S, pos_dim)` and `padding` `(B, S)`."""
        query = self.heads * self.query_head_dim
        parts = self.in_proj(x).split([query, query, self.heads * self.pos_head_dim], dim=-1)
        q, k, p = (rearrange(y, "b s (h d) -> b h s d", h=self.heads) for y in parts)
        r = rearrange(self.linear_pos(positions.to(x.dtype)), "i j (h d) -> h i j d", h=self.heads)
        scores = q @ k.mT + einsum(p, r, "b h i d, h i j d -> b h i j")
        return scores.masked_fill(padding[:, None, None], MASKED).softmax(dim=-1)


class SelfAttention(nn.Module):
    """Values mixed by given weights."""

    def __init__(self, dim: int, heads: int, value_head_dim: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(dim, heads * value_head_dim)
        self.out_proj = scaled_linear(heads * value_head_dim, dim, scale=0.05)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        values = rearrange(self.in_proj(x), "b s (h d) -> b h s d", h=weights.shape[1])
        return self.out_proj(rearrange(weights @ values, "b h s d -> b s (h d)"))


class NonlinAttention(nn.Module):
    """Like a gated convolution whose kernel is the first head's attention weights."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(dim, 3 * hidden_dim)
        self.out_proj = scaled_linear(hidden_dim, dim, scale=0.05)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        s, x, y = self.in_proj(x).chunk(3, dim=-1)
        return self.out_proj(weights[:, 0] @ (x * s.tanh()) * y)


class FeedForward(nn.Module):
    """Linear, SwooshL, linear."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(dim, hidden_dim)
        self.out_proj = scaled_linear(hidden_dim, dim, scale=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_proj(swoosh_l(self.in_proj(x)))


class Convolution(nn.Module):
    """Gated linear unit, depthwise convolution, SwooshR, linear; pads are zero for the convolution."""

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(dim, 2 * dim)
        self.depthwise_conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.out_proj = scaled_linear(dim, dim, scale=0.05)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        x = F.glu(self.in_proj(x), dim=-1).masked_fill(padding[..., None], 0.0)
        x = rearrange(self.depthwise_conv(rearrange(x, "b s d -> b d s")), "b d s -> b s d")
        return self.out_proj(swoosh_r(x))


class ZipformerLayer(nn.Module):
    """One encoder layer."""

    def __init__(self, config: TranscriptConfig) -> None:
        super().__init__()
        dim, ffn_dim = config.dim, config.ffn_dim
        self.bypass = Bypass(dim)
        self.bypass_mid = Bypass(dim)
        self.self_attn_weights = AttentionWeights(dim, config)
        self.self_attn1 = SelfAttention(dim, config.heads, config.value_head_dim)
        self.self_attn2 = SelfAttention(dim, config.heads, config.value_head_dim)
        self.feed_forward1 = FeedForward(dim, ffn_dim * 3 // 4)
        self.feed_forward2 = FeedForward(dim, ffn_dim)
        self.feed_forward3 = FeedForward(dim, ffn_dim * 5 // 4)
        self.nonlin_attention = NonlinAttention(dim, 3 * dim // 4)
        self.conv_module1 = Convolution(dim, config.kernel)
        self.conv_module2 = Convolution(dim, config.kernel)
        self.norm = BiasNorm(dim)

    def forward(self, x: Tensor, positions: Tensor, padding: Tensor) -> Tensor:
        start = x
        weights = self.self_attn_weights(x, positions, padding)
        x = x + self.feed_forward1(x)
        x = x + self.nonlin_attention(x, weights)
        x = x + self.self_attn1(x, weights)
        x = x + self.conv_module1(x, padding)
        x = x + self.feed_forward2(x)
        x = self.bypass_mid(start, x)
        x = x + self.self_attn2(x, weights)
        x = x + self.conv_module2(x, padding)
        x = x + self.feed_forward3(x)
        return self.bypass(start, self.norm(x))


class ZipformerStack(nn.Module):
    """Layers at one rate."""

    def __init__(self, config: TranscriptConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ZipformerLayer(config) for _ in range(config.layers))


class Zipformer(nn.Module):
    """Encoder of `(B, S, dim)` to `(B, S, out_dim)`."""

    def __init__(self, config: TranscriptConfig) -> None:
        super().__init__()
        self.pos_dim = config.pos_dim
        self.in_proj = nn.Linear(config.dim, config.dim)
        self.encoders = nn.ModuleList([ZipformerStack(config)])
        self.out_proj = nn.Linear(config.dim, config.out_dim)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """Features of every position; `padding` `(B, S)` is True where a position must not be read."""
        positions = relative_positions(x.shape[1], self.pos_dim, x.device)
        x = self.in_proj(x)
        for stack in self.encoders:
            for layer in stack.layers:  # type: ignore[union-attr]
                x = layer(x, positions, padding)
        return self.out_proj(x)


def relative_positions(length: int, dim: int, device: torch.device) -> Tensor:
    """Fourier features `(S, S, dim)` of the offset j - i, compressed by sign * log and then atan to a finite interval.

    Offsets up to about sqrt(dim) are told apart exactly, far ones coarsely. The last channel is 1, for a bias.
    """
    index = torch.arange(length, device=device)
    offset = (index[None] - index[:, None]).float()
    knee = dim**0.5
    compressed = knee * offset.sign() * ((offset.abs() + knee).log() - math.log(knee))
    angle = (compressed * (2 * math.pi / dim)).atan()[..., None] * torch.arange(1, dim // 2 + 1, device=device)
    features = rearrange(torch.stack((angle.cos(), angle.sin()), dim=-1), "i j f two -> i j (f two)")
    return torch.cat((features[..., :-1], torch.ones_like(features[..., :1])), dim=-1)
