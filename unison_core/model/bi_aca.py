"""Bidirectional audio cross-attention, gated (Unison eq. 7):

    h_sp' = h_sp + g_sp * Attn(LN(h_sp), LN(h_sfx)),    h_sfx' = h_sfx + g_sfx * Attn(LN(h_sfx), LN(h_sp)).

Both directions read the states from before the update and have weights of their own. Queries and keys carry the RoPE
positions of the joint sequence, so that the same instant of the two streams has the same position.
"""

from einops import rearrange
from torch import Tensor, nn

from unison_core.model.attention import attention
from unison_core.model.audio_layers import HeadNorm, Segments, zero_
from unison_core.model.multiply_add import gated_sum
from unison_core.model.rope import apply_rope
from unison_core.types import AUDIO_STREAMS


class CrossAttention(nn.Module):
    """Multi-head attention of one stream over the other; its output starts at zero."""

    def __init__(self, dim: int, inner_dim: int, heads: int) -> None:
        super().__init__()
        if inner_dim % heads:
            raise ValueError(f"heads={heads} must divide bi_aca_dim={inner_dim}")
        self.heads = heads
        self.q = nn.Linear(dim, inner_dim)
        self.k = nn.Linear(dim, inner_dim)
        self.v = nn.Linear(dim, inner_dim)
        self.o = nn.Linear(inner_dim, dim)
        self.q_norm = HeadNorm(inner_dim // heads)
        self.k_norm = HeadNorm(inner_dim // heads)
        zero_(self.o)

    def forward(self, x: Tensor, other: Tensor, x_angles: Tensor, other_angles: Tensor) -> Tensor:
        """What `x` `(B, n, D)` reads from `other` `(B, m, D)`: `(B, n, D)`."""
        q, k, v = (
            rearrange(y, "b n (h d) -> b h n d", h=self.heads) for y in (self.q(x), self.k(other), self.v(other))
        )
        q = apply_rope(self.q_norm(q), x_angles)
        k = apply_rope(self.k_norm(k), other_angles)
        return self.o(rearrange(attention(q, k, v), "b h n d -> b n (h d)"))


class BiACA(nn.Module):
    """Cross-attention between the two audio streams, in both directions.

    `into[s]` and `norm[s]` belong to the stream s that is written to.
    """

    def __init__(self, dim: int, inner_dim: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.ModuleDict({s: nn.LayerNorm(dim) for s in AUDIO_STREAMS})
        self.into = nn.ModuleDict({s: CrossAttention(dim, inner_dim, heads) for s in AUDIO_STREAMS})

    def forward(self, streams: Segments, gates: Tensor, angles: Segments) -> Segments:
        """Exchange between the streams.

        Args:
            streams: speech and sfx `(B, n, D)`.
            gates: `(B, 2)` in [0, 1]; entry i scales what flows into stream i. 0 is the identity.
            angles: rotations `(n, d/2, 2)` of each stream, d = inner_dim / heads.
        """
        normed = [norm(x) for norm, x in zip(self.norm.values(), streams, strict=True)]
        out = []
        for i, attend in enumerate(self.into.values()):
            read = attend(normed[i], normed[1 - i], angles[i], angles[1 - i])
            out.append(gated_sum(streams[i], read, gates[:, i, None, None]))
        return tuple(out)
