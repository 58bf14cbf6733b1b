"""Transformers for float32 on a CPU: fewer passes over memory, each within the cores' caches.

    W (s g x / |x|) = (W diag(s g)) (x / |x|)

RMSNorm's scales s, g and attention's 1 / sqrt(d) go into the weights that follow; queries, keys, values and gates are
one product; queries and keys are turned in place; sequences, which know nothing of each other, go through a whole
transformer a few at a time.
"""

from typing import cast

import torch
import torch.nn.functional as F
from bs_roformer.mel_band_roformer import Attention, FeedForward, RMSNorm, Transformer
from einops import rearrange
from torch import Tensor

from unison_core.separation.attention import pooled
from unison_core.separation.local_mixing import LocalMixing, MixingTransformer
from unison_core.separation.packed_linear import PackedLinear

HIDDEN_PER_THREAD = 400_000
"""Numbers between a feed forward's two products that a core computes at once."""
SHORT = 64
"""Tokens up to which two batched products are faster than the fused attention: by 1.35 times at 24, alike at 64."""
ALIGNED = 16
"""Columns that products are fastest in multiples of: 256 take less time than 245."""


class LeanTransformer:
    """A transformer of the package, or one that mixes neighbours."""

    def __init__(self, transformer: Transformer | MixingTransformer) -> None:
        self.layers = [(LeanAttention(a.branch), LeanFeedForward(f.branch)) for a, f in transformer.layers]
        self.scale = fold(transformer.norm)
        self.mixing: list[LeanMixing | None] = [None] * len(self.layers)
        if isinstance(transformer, MixingTransformer):
            self.mixing = [LeanMixing(cast(LocalMixing, mixing)) for mixing in transformer.mixing]

    def __call__(self, x: Tensor) -> Tensor:
        """`(B, N, D)` -> the same, lying in memory as `x` does."""
        attention, feed_forward = self.layers[0]
        turns = attention.turns(x.shape[1])
        width = x.shape[1] * feed_forward.inner.width
        count = max(1, HIDDEN_PER_THREAD * torch.get_num_threads() // width)
        made = torch.empty_like(x)
        for part, out in zip(x.split(count), made.split(count), strict=True):
            x = part.contiguous()
            for (attention, feed_forward), mix in zip(self.layers, self.mixing, strict=True):
                x = feed_forward(attention(x, turns), mix)
            torch.mul(_unit(x), self.scale, out=out)
        return made


class LeanAttention:
    """`x + W_out (sigmoid(gates) * attention)`."""

    def __init__(self, attention: Attention) -> None:
        self.heads, self.rotation, self.pool = attention.heads, attention.rotary_embed, attention.attend.pool
        self.out = PackedLinear(attention.to_out[0].weight)
        self.width = attention.to_out[0].in_features  # heads * d
        qkv = fold(attention.norm, attention.to_qkv.weight)
        qkv[: self.width] *= (self.width // self.heads) ** -0.5
        weight = torch.cat((qkv, fold(attention.norm, attention.to_gates.weight)))
        self.to_all = PackedLinear(F.pad(weight, (0, 0, 0, -len(weight) % ALIGNED)))
        self.gates_bias = attention.to_gates.bias.detach()

    def turns(self, count: int) -> Tensor:
        """Factors `(N, heads d)` of the pairs in queries and keys, as complex numbers."""
        angles = self.rotation.angles(count)
        return torch.polar(torch.ones_like(angles), angles).repeat(1, 2 * self.heads)

    def __call__(self, x: Tensor, turns: Tensor) -> Tensor:
        """`(B, N, D)` -> the same."""
        made = self.to_all(_unit(x))
        qkv, gates = made[..., : 3 * self.width], made[..., 3 * self.width :][..., : self.heads]
        gates = torch.sigmoid(gates + self.gates_bias)
        pairs = torch.view_as_complex(rearrange(qkv, "b n (f r) -> b n f r", r=2))
        pairs[..., : self.width].mul_(turns)
        q = rearrange(qkv[..., : self.width], "b n (h d) -> b h n d", h=self.heads)
        k, v = rearrange(pooled(qkv[..., self.width :], self.pool), "b n (kv h d) -> kv b h n d", kv=2, h=self.heads)
        heads = _attended(q, k, v)
        heads = rearrange(heads.mul_(rearrange(gates, "b n h -> b h n 1")), "b h n d -> b n (h d)")
        return self.out.added_to(x, heads)


class LeanFeedForward:
    """`x + W_outer gelu(W_inner x / |x| + b_inner) + b_outer`."""

    def __init__(self, feed_forward: FeedForward) -> None:
        norm, inner, _, _, outer, _ = feed_forward.net
        self.inner = PackedLinear(fold(norm, inner.weight), inner.bias, gelu=True)
        self.outer = PackedLinear(outer.weight, outer.bias)

    def __call__(self, x: Tensor, mix: "LeanMixing | None") -> Tensor:
        """`(B, N, D)` -> the same."""
        hidden = self.inner(_unit(x))
        return self.outer.added_to(x, hidden if mix is None else mix(hidden))


class LeanMixing:
    """`x + b + convolution(x)` with the first term among the taps; channels stay innermost, as a CPU's kernels like."""

    def __init__(self, mixing: LocalMixing) -> None:
        weight = rearrange(mixing.weight.detach().clone(), "c 1 k -> c 1 1 k")
        self.reach = weight.shape[-1] // 2
        weight[..., self.reach] += 1.0
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = mixing.bias.detach()

    def __call__(self, x: Tensor) -> Tensor:
        """`(B, N, C)` -> the same."""
        rows = rearrange(x, "b n c -> b c 1 n")
        mixed = F.conv2d(rows, self.weight, self.bias, padding=(0, self.reach), groups=len(self.bias))
        return rearrange(mixed, "b c 1 n -> b n c")


def fold(norm: RMSNorm, weight: Tensor | float = 1.0) -> Tensor:
    """What gives `weight (norm x)` of `x / |x|`."""
    folded: Tensor = (weight * (norm.gamma * norm.scale)).detach()
    return folded


def _attended(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T) v: `(B, heads, N, d)` each -> the same."""
    if q.shape[2] > SHORT:
        return F.scaled_dot_product_attention(q, k, v, scale=1.0)
    weights = torch.bmm(q.flatten(0, 1), k.flatten(0, 1).mT).softmax(dim=-1)
    return torch.bmm(weights, v.flatten(0, 1)).unflatten(0, q.shape[:2])


def _unit(x: Tensor) -> Tensor:
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_(min=1e-12)
