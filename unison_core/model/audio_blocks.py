"""MMAudio's transformer blocks over several latent streams at once.

Streams are segments of one sequence: attention runs over their concatenation, convolutions and conditioning run per
segment, so nothing but attention crosses a seam. Modules take and return tensors only and compile without breaks.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from unison_core.model.attention import attention
from unison_core.model.audio_layers import (
    GatedMLP,
    HeadNorm,
    Segments,
    join,
    modulation,
    per_segment,
    per_segment_of,
    token_layer,
)
from unison_core.model.multiply_add import gated_sum, modulate
from unison_core.model.rope import apply_rope

Heads = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values `(B, H, n, d)`."""


class SelfAttention(nn.Module):
    """Projections of self-attention: one linear layer whose outputs interleave as (head, channel, q|k|v)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm = HeadNorm(dim // heads)
        self.k_norm = HeadNorm(dim // heads)

    def forward(self, x: Tensor, angles: Tensor | None) -> Heads:
        """Normalised, rotated q and k, and v, of tokens `(B, n, D)`; `angles` None leaves positions out."""
        qkv = rearrange(self.qkv(x), "b n (h d three) -> three b h n d", h=self.heads, three=3)
        q, k, v = qkv.contiguous().unbind(0)  # one copy: each of the three alone would read all of it
        q, k = self.q_norm(q), self.k_norm(k)
        if angles is not None:
            q, k = apply_rope(q, angles), apply_rope(k, angles)
        return q, k, v


class TransformerBlock(nn.Module):
    """One modality's half of a block: adaLN, projections, and after attention the output layer and gated MLP.

    Args:
        kernel_size: width of the convolutions in the output layer and the MLP; 1 for text.
        pre_only: the modality is read by this block but not written (last joint block, conditions).
    """

    def __init__(self, dim: int, heads: int, mlp_ratio: float, kernel_size: int = 3, pre_only: bool = False) -> None:
        super().__init__()
        self.pre_only = pre_only
        self.norm1 = nn.LayerNorm(dim, elementwise_affine=False)
        self.attn = SelfAttention(dim, heads)
        self.adaLN_modulation = modulation(dim, 2 if pre_only else 6)
        if not pre_only:
            self.linear1 = token_layer(dim, dim, kernel_size)
            self.norm2 = nn.LayerNorm(dim, elementwise_affine=False)
            self.ffn = GatedMLP(dim, int(dim * mlp_ratio), kernel_size)

    def before(self, segments: Segments, conditions: Segments, angles: Segments | None) -> tuple[Heads, Segments]:
        """Attention inputs of all segments, concatenated, and each segment's modulation.

        Args:
            segments: tokens `(B, n, D)` each. conditions: `(B, n or 1, D)` each.
            angles: rotations of each segment `(n, d/2, 2)`: joined here, where a compiler sees that lengths match.
        """
        modulations = tuple(self.adaLN_modulation(c) for c in conditions)
        normed: Segments = ()
        for x, m in zip(segments, modulations, strict=True):
            shift, scale = m.chunk(2 if self.pre_only else 6, dim=-1)[:2]
            normed = (*normed, modulate(self.norm1(x), shift, scale))
        joined = None if angles is None else join(angles, dim=0)
        return self.attn(join(normed, dim=1), joined), modulations

    def after(self, segments: Segments, attended: Tensor, modulations: Segments) -> Segments:
        """Write what attention read, `(B, sum of n, D)`, and the MLP back into the segments."""
        if self.pre_only:
            return segments
        written = per_segment_of(self.linear1, attended, segments)
        parts = [m.chunk(6, dim=-1) for m in modulations]
        xs = [gated_sum(x, w, p[2]) for x, w, p in zip(segments, written, parts, strict=True)]
        mlp_in = tuple(modulate(self.norm2(x), p[3], p[4]) for x, p in zip(xs, parts, strict=True))
        return tuple(gated_sum(x, y, p[5]) for x, y, p in zip(xs, per_segment(self.ffn, mlp_in), parts, strict=True))


class FusedBlock(TransformerBlock):
    """A block over latents alone."""

    def forward(self, streams: Segments, conditions: Segments, angles: Segments) -> Segments:
        heads, modulations = self.before(streams, conditions, angles)
        attended = rearrange(attention(*heads), "b h n d -> b n (h d)")
        return self.after(streams, attended, modulations)


class JointBlock(nn.Module):
    """A block over latents, CLIP tokens (where the model has them) and caption tokens, each with its own weights.

    Args:
        condition_copies: how often CLIP and caption tokens are read by the softmax.
    """

    def __init__(
        self, dim: int, heads: int, mlp_ratio: float, with_clip: bool, pre_only: bool, condition_copies: int = 1
    ) -> None:
        super().__init__()
        self.condition_copies = condition_copies
        self.latent_block = TransformerBlock(dim, heads, mlp_ratio)
        self.clip_block = TransformerBlock(dim, heads, mlp_ratio, pre_only=pre_only) if with_clip else None
        self.text_block = TransformerBlock(dim, heads, mlp_ratio, kernel_size=1, pre_only=pre_only)

    def forward(
        self,
        streams: Segments,
        conditions: Segments,
        angles: Segments,
        text: Tensor,
        clip: Tensor | None,
        shared_condition: Tensor,
        clip_angles: Tensor | None,
    ) -> tuple[Segments, Tensor, Tensor | None]:
        """Streams, caption tokens and CLIP tokens after the block.

        `shared_condition` `(B, 1, D)` is the adaLN input of caption and CLIP tokens.
        """
        latent_heads, latent_mod = self.latent_block.before(streams, conditions, angles)
        text_heads, text_mod = self.text_block.before((text,), (shared_condition,), None)
        parts, sizes = [latent_heads], [latent_heads[0].shape[2]]
        if self.clip_block is not None:
            assert clip is not None
            clip_heads, clip_mod = self.clip_block.before(
                (clip,), (shared_condition,), None if clip_angles is None else (clip_angles,)
            )
            parts.append(clip_heads)
            sizes.append(clip.shape[1])
        parts.append(text_heads)
        sizes.append(text.shape[1])
        q, k, v = (torch.cat(part, dim=2) for part in zip(*parts, strict=True))
        more = range(1, self.condition_copies)
        if more:
            k, v = (torch.cat((x, *(x[:, :, sizes[0] :] for _ in more)), dim=2) for x in (k, v))
        attended = rearrange(attention(q, k, v), "b h n d -> b n (h d)").split(sizes, dim=1)

        streams = self.latent_block.after(streams, attended[0], latent_mod)
        (text,) = self.text_block.after((text,), attended[-1], text_mod)
        if self.clip_block is not None:
            assert clip is not None
            (clip,) = self.clip_block.after((clip,), attended[1], clip_mod)
        return streams, text, clip
