"""The video branch: a Wan2.2 transformer with its own block loop and one noise level per latent frame.

    h = patchify(x_sigma)
    for each block:  h += g1 * SelfAttn(m1(h));  h += CrossAttn(LN(h), text);  h += g2 * MLP(m2(h))
    v = head(h) = eps - x0,    m(h) = LN(h) * (1 + scale) + shift,    (shift, scale, g) from the sigma of h's frame

The loop is open so that interaction nodes can run between blocks. Names of parameters are those of diffusers'
`WanTransformer3DModel`, whose state dicts load strictly and give the same output (Wan, arXiv 2503.20314).
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from unison_core.config import VideoBranchConfig
from unison_core.model.attention import attention
from unison_core.model.multiply_add import gated_sum, modulate
from unison_core.model.precision import layer_norm, linear, rms_norm
from unison_core.model.rope import apply_rope, rope_angles_3d
from unison_core.model.sequence_parallel import SequenceParallel
from unison_core.model.sinusoids import sinusoids

TIMESTEPS = 1000.0
"""Wan's time embedding reads 1000 * sigma."""


@dataclass(frozen=True)
class VideoContext:
    """What one clip's caption gives to every step.

    Attributes:
        keys_values: per block, the cross-attention's keys and values, each `(B, H, L, d)`.
        mean: float32 `(B, D)`, what the caption as a whole adds to the time embedding; None in Wan's own form.
    """

    keys_values: tuple[tuple[Tensor, Tensor], ...]
    mean: Tensor | None = None


@dataclass(frozen=True)
class VideoState:
    """The video branch between two blocks.

    Attributes:
        tokens: `(B, T*S, D)`, frame-major; S = H'*W' tokens a latent frame (a share of them in sequence parallel).
        temb: float32 `(B, T, D)`, the time embedding that the head reads.
        modulation: float32 `(B, T, 6, D)`, shared by the blocks, which add their own table.
        rope: `(T*S, d/2, 2)`, see `rope_angles_3d`.
        grid: (T, H', W').
        context: the caption's keys and values.
    """

    tokens: Tensor
    temb: Tensor
    modulation: Tensor
    rope: Tensor
    grid: tuple[int, int, int]
    context: VideoContext


class VideoAttention(nn.Module):
    """Multi-head attention with RMSNorm over all of q's and k's channels."""

    def __init__(self, config: VideoBranchConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(config.dim, config.dim) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(config.dim, config.dim)])
        self.norm_q, self.norm_k = (nn.RMSNorm(config.dim, eps=config.eps) for _ in range(2))
        self.sequence: SequenceParallel | None = None

    def keys_values(self, x: Tensor, rope: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Keys and values `(B, H, L, d)` of `x` `(B, L, D)`."""
        v = self._split(self.to_v(x))
        k = self._split(rms_norm(self.norm_k, self.to_k(x)))
        return (k if rope is None else apply_rope(k, rope)).to(v.dtype), v

    def forward(self, x: Tensor, k: Tensor, v: Tensor, rope: Tensor | None = None) -> Tensor:
        """`(B, L, D)` of queries from `x` over given keys and values."""
        q = self._split(rms_norm(self.norm_q, self.to_q(x)))
        q = q if rope is None else apply_rope(q, rope)
        out = attention(q, k, v) if self.sequence is None else self.sequence.attention(q, k, v)
        return self.to_out[0](rearrange(out, "b h l d -> b l (h d)"))

    def _split(self, x: Tensor) -> Tensor:
        return rearrange(x, "b l (h d) -> b h l d", h=self.heads)


class VideoBlock(nn.Module):
    """One Wan block on plain tensors, so that it compiles alone."""

    def __init__(self, config: VideoBranchConfig) -> None:
        super().__init__()
        self.eps = config.eps
        self.attn1 = VideoAttention(config)
        self.attn2 = VideoAttention(config)
        self.norm2 = nn.LayerNorm(config.dim, eps=config.eps)
        self.ffn = _feed_forward(config.dim, config.ffn_dim)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 6, config.dim) / config.dim**0.5)

    def text_keys_values(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-attention keys and values of projected text `(B, L, D)`."""
        return self.attn2.keys_values(text)

    def forward(self, tokens: Tensor, modulation: Tensor, rope: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Tokens `(B, T*S, D)` after the block; `modulation` `(B, T, 6, D)`, `k`, `v` `(B, H, L, d)` of the text."""
        table = self.scale_shift_table.float() + modulation  # (B, T, 6, D)
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = table.unbind(2)

        x = _modulated_norm(tokens, scale_1, shift_1, self.eps)
        tokens = _gated_sum(tokens, self.attn1(x, *self.attn1.keys_values(x, rope), rope), gate_1)

        x = layer_norm(self.norm2, tokens).to(tokens.dtype)
        tokens = tokens + self.attn2(x, k, v).to(tokens.dtype)

        x = _modulated_norm(tokens, scale_2, shift_2, self.eps)
        return _gated_sum(tokens, self.ffn(x), gate_2)


class MLP(nn.Module):
    """Two linear layers."""

    def __init__(self, in_dim: int, dim: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(in_dim, dim), nn.Linear(dim, dim)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """`(..., in_dim)` to `(..., dim)`."""
        return self.linear_2(self.activation(self.linear_1(x)))


class ConditionEmbedder(nn.Module):
    """Projections of the timestep and of the text features."""

    def __init__(self, config: VideoBranchConfig) -> None:
        super().__init__()
        dim = config.dim
        self.freq_dim = config.freq_dim
        self.time_embedder = MLP(config.freq_dim, dim, F.silu)
        self.time_proj = nn.Linear(dim, 6 * dim)
        self.text_embedder = MLP(config.text_dim, dim, nn.GELU("tanh"))
        self.caption_embedder = nn.Linear(config.text_dim, dim) if config.caption_modulation else None

    def caption(self, text: Tensor) -> Tensor | None:
        """Embedding `(B, D)`, float32, of the mean of caption features `(B, L, text_dim)`, whose pads are zero."""
        if self.caption_embedder is None:
            return None
        with torch.autocast(text.device.type, enabled=False):
            words = (text != 0).any(dim=2).sum(dim=1, keepdim=True).clamp(min=1)
            return linear(self.caption_embedder, text.float().sum(dim=1) / words)

    def time(self, sigma: Tensor, caption: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Embedding `(B, T, D)` and modulation `(B, T, 6, D)` of sigma `(B, T)`, in float32 whatever the weights are.

        There are T of them, not T*S, so that precision costs nothing.
        """
        with torch.autocast(sigma.device.type, enabled=False):
            x = sinusoids(TIMESTEPS * sigma.float(), self.freq_dim)
            temb = linear(self.time_embedder.linear_2, F.silu(linear(self.time_embedder.linear_1, x)))
            temb = temb if caption is None else temb + caption[:, None]
            modulation = linear(self.time_proj, F.silu(temb))
        return temb, rearrange(modulation, "b t (six d) -> b t six d", six=6)


class VideoBranch(nn.Module):
    """Wan2.2 transformer: `embed`, then `block` for each block, then `head`."""

    def __init__(self, config: VideoBranchConfig) -> None:
        super().__init__()
        if config.patch[0] != 1:
            raise ValueError(f"patch={config.patch}: a noise level per latent frame needs 1 along time")
        self.config = config
        patch_dim = config.latent_channels * config.patch[1] * config.patch[2]
        self.patch_embedding = nn.Conv3d(config.latent_channels, config.dim, config.patch, config.patch)
        self.condition_embedder = ConditionEmbedder(config)
        self.blocks = nn.ModuleList([VideoBlock(config) for _ in range(config.blocks)])
        self.proj_out = nn.Linear(config.dim, patch_dim)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 2, config.dim) / config.dim**0.5)
        self.sequence: SequenceParallel | None = None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initial weights as Wan trains from: Xavier, 0.02 normal in the text and time MLPs, output zero."""
        nn.init.xavier_uniform_(self.patch_embedding.weight.flatten(1))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for mlp in (self.condition_embedder.time_embedder, self.condition_embedder.text_embedder):
            nn.init.normal_(mlp.linear_1.weight, std=0.02)
            nn.init.normal_(mlp.linear_2.weight, std=0.02)
        nn.init.zeros_(self.proj_out.weight)
        if self.condition_embedder.caption_embedder is not None:
            nn.init.zeros_(self.condition_embedder.caption_embedder.weight)

    def encode_text(self, text: Tensor) -> VideoContext:
        """Once per clip: caption features `(B, L, text_dim)` to the keys and values of every block, and their mean."""
        mean = self.condition_embedder.caption(text)
        text = self.condition_embedder.text_embedder(text.to(self.proj_out.weight.dtype))
        keys_values = tuple(block.text_keys_values(text) for block in self.blocks)  # type: ignore[operator]
        return VideoContext(keys_values, mean)

    def embed(self, latents: Tensor, sigma: Tensor, context: VideoContext) -> VideoState:
        """Tokens of noisy latents `(B, C, T, H, W)`, whose frames have noise levels `sigma` `(B, T)` in [0, 1].

        Tokens take the type of the arithmetic, which is autocast's where it is on: training then computes the residual
        stream as generation in bf16 does, and moves half the bytes.
        """
        _, height, width = self.config.patch
        if latents.shape[3] % height or latents.shape[4] % width:
            raise ValueError(f"latents of {latents.shape[3]}x{latents.shape[4]} do not divide into {height}x{width}")
        grid = (latents.shape[2], latents.shape[3] // height, latents.shape[4] // width)
        weight, bias = self.patch_embedding.weight, self.patch_embedding.bias
        patches = rearrange(latents, "b c t (h p) (w q) -> b (t h w) (c p q)", p=height, q=width)
        temb, modulation = self.condition_embedder.time(sigma, context.mean)
        rope = rope_angles_3d(grid, self.config.dim // self.config.heads, device=latents.device)
        if self.sequence is not None:
            patches, rope = self.sequence.share(patches, grid[0], 1), self.sequence.share(rope, grid[0], 0)
        return VideoState(
            tokens=F.linear(patches.to(weight.dtype), weight.flatten(1), bias),
            temb=temb,
            modulation=modulation,
            rope=rope,
            grid=grid,
            context=context,
        )

    def block(self, i: int, state: VideoState) -> VideoState:
        """The state after block `i`."""
        k, v = state.context.keys_values[i]
        return replace(state, tokens=self.blocks[i](state.tokens, state.modulation, state.rope, k, v))

    def split(self, sequence: SequenceParallel | None) -> None:
        """Compute a share of the tokens in each process from now on; None computes all of them here."""
        if sequence is not None and self.config.heads % sequence.size:
            raise ValueError(f"{sequence.size} processes must divide {self.config.heads} heads")
        self.sequence = sequence
        for block in self.blocks:
            block.attn1.sequence = sequence  # type: ignore[union-attr]

    def head(self, state: VideoState) -> Tensor:
        """Velocity v = eps - x0 `(B, C, T, H, W)` in float32."""
        shift, scale = (self.scale_shift_table.float() + state.temb[:, :, None]).unbind(2)
        patches = self.proj_out(_modulated_norm(state.tokens, scale, shift, self.config.eps))
        t, h, w = state.grid
        if self.sequence is not None:
            patches = self.sequence.gather(patches.unflatten(1, (t, -1)), 2).flatten(1, 2)
        _, p, q = self.config.patch
        return rearrange(patches.float(), "b (t h w) (p q c) -> b c t (h p) (w q)", t=t, h=h, w=w, p=p, q=q)


def _modulated_norm(tokens: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """LN(tokens) * (1 + scale) + shift in float32; tokens `(B, T*S, D)`, scale and shift `(B, T, D)` per frame."""
    x = F.layer_norm(tokens, tokens.shape[-1:], eps=eps)  # float32 inside
    x = modulate(rearrange(x, "b (t s) d -> b t s d", t=scale.shape[1]), shift[:, :, None], scale[:, :, None])
    return rearrange(x, "b t s d -> b (t s) d")


def _gated_sum(tokens: Tensor, update: Tensor, gate: Tensor) -> Tensor:
    """tokens + gate * update in float32, with a gate per frame `(B, T, D)`."""
    x, y = (rearrange(z, "b (t s) d -> b t s d", t=gate.shape[1]) for z in (tokens, update))
    return rearrange(gated_sum(x, y, gate[:, :, None]), "b t s d -> b (t s) d")


def _feed_forward(dim: int, hidden: int) -> nn.Sequential:
    """GELU MLP whose layers are called net.0.proj and net.2."""
    proj = nn.Sequential(OrderedDict(proj=nn.Linear(dim, hidden), gelu=nn.GELU(approximate="tanh")))
    return nn.Sequential(OrderedDict(net=nn.Sequential(proj, nn.Identity(), nn.Linear(hidden, dim))))
