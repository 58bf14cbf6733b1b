"""Caption features from a small pre-norm transformer that is trained with the model (`kind: bundled`)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from unison_core.config import CaptionConfig
from unison_core.model.rope import apply_rope, rope_angles


class CaptionLayer(nn.Module):
    """x + Attn(LN x), then x + MLP(LN x)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(approximate="tanh"), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor, angles: Tensor, mask: Tensor) -> Tensor:
        """Tokens `(B, L, D)` after the layer; `mask` `(B, L)` is True where a token may be read."""
        q, k, v = rearrange(self.qkv(self.norm1(x)), "b n (three h d) -> three b h n d", three=3, h=self.heads)
        q, k = (apply_rope(y, angles).to(v.dtype) for y in (q, k))
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        x = x + self.out(rearrange(read, "b h n d -> b n (h d)"))
        return x + self.mlp(self.norm2(x))


class CaptionEncoder(nn.Module):
    """Token ids to features; pads (id 0) are not read and come out as zero, as Wan pads umT5's features.

    An empty caption becomes one learned token, so that it has features and a mean like any other.
    """

    def __init__(self, config: CaptionConfig) -> None:
        super().__init__()
        if config.dim % config.heads:
            raise ValueError(f"heads={config.heads} must divide dim={config.dim}")
        self.head_dim = config.dim // config.heads
        self.embed = nn.Embedding(config.vocab, config.dim)
        self.empty = nn.Parameter(torch.randn(config.dim) * 0.02)
        self.layers = nn.ModuleList(CaptionLayer(config.dim, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)
        nn.init.normal_(self.embed.weight, std=0.02)
        for layer in self.layers:
            for projection in (layer.out, layer.mlp[2]):  # type: ignore[index]
                nn.init.normal_(projection.weight, std=0.02 / (2 * config.layers) ** 0.5)  # type: ignore[arg-type, union-attr]

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Features `(B, L, dim)` of ids `(B, L)`, 0 = pad, and their mean over real tokens `(B, dim)`, c_a."""
        first = torch.arange(ids.shape[1], device=ids.device) == 0
        empty = ~(ids != 0).any(dim=1, keepdim=True) & first  # (B, L)
        mask = (ids != 0) | empty
        x = torch.where(empty[..., None], self.empty, self.embed(ids))
        angles = rope_angles(torch.arange(ids.shape[1], device=ids.device), self.head_dim)
        for layer in self.layers:
            x = layer(x, angles, mask)
        x = self.norm(x) * mask[..., None]
        return x, x.sum(dim=1) / mask.sum(dim=1, keepdim=True)
