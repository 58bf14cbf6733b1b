"""Synchformer: by how much sound and picture are apart, as one of 21 offsets within 2 s (Iashin et al., ICASSP 2024).

Segments of 0.64 s, half overlapping, are embedded apart (Motionformer, AST), and 14 of them together are judged by a
small transformer: `[OFF] picture [MOD] sound -> offset`. Written for inference, with the public checkpoint's key names.
"""

from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

CLASSES, REACH_S = 21, 2.0
SEGMENTS = 14
EPS = 1e-6
QKV = ("query", "key", "value")


@dataclass(frozen=True, kw_only=True)
class SynchformerConfig:
    """Sizes; the defaults are the public checkpoint's."""

    dim: int = 768
    heads: int = 12
    depth: int = 12
    """Blocks of the picture's and of the sound's encoder."""
    judge_depth: int = 3
    judge_heads: int = 8
    picture: int = 224
    frames: int = 16
    """Pictures in a segment; mels are 128 by 66."""
    mels: int = 128
    mel_frames: int = 66

    @property
    def grid(self) -> int:
        """Patches along a side of the picture."""
        return self.picture // 16

    @property
    def mel_grid(self) -> tuple[int, int]:
        """Patches of a sound's segment, in frequency and time."""
        return (self.mels - 16) // 10 + 1, (self.mel_frames - 16) // 10 + 1


class Mlp(nn.Module):
    """Two layers with GELU between."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """`(..., D)`."""
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class DividedAttention(nn.Module):
    """Attention along time or within a picture; every group also sees the class token, which sees all."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor, groups: str, **sizes: int) -> Tensor:
        """`(B, 1 + f n, D)`; `groups` is an einops pattern of tokens into (group, token)."""
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.heads) for t in self.qkv(x).chunk(3, dim=-1))
        first = scaled_dot_product_attention(q[:, :, :1], k, v)
        inner, outer = "b h (f n) d", f"({groups}) h {'n' if 'f' in groups else 'f'} d"
        parts = [rearrange(t[:, :, 1:], f"{inner} -> {outer}", **sizes) for t in (q, k, v)]
        count = len(parts[0]) // len(x)
        keys, values = (
            torch.cat([repeat(t[:, :, :1], "b h 1 d -> (b r) h 1 d", r=count), part], dim=2)
            for t, part in zip((k, v), parts[1:], strict=True)
        )
        rest = scaled_dot_product_attention(parts[0], keys, values)
        rest = rearrange(rest, f"{outer} -> {inner}", b=len(x), **sizes)
        return self.proj(rearrange(torch.cat([first, rest], dim=2), "b h n d -> b n (h d)"))


class DividedBlock(nn.Module):
    """Attention in time, then in space, then an MLP; `norm3` stands before the first of them."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim, eps=EPS) for _ in range(3))
        self.attn, self.timeattn = DividedAttention(dim, heads), DividedAttention(dim, heads)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor, frames: int, patches: int) -> Tensor:
        """`(B, 1 + frames * patches, D)`."""
        x = x + self.timeattn(self.norm3(x), "b n", n=patches)
        x = x + self.attn(self.norm1(x), "b f", f=frames)
        return x + self.mlp(self.norm2(x))


class Pool(nn.TransformerEncoderLayer):
    """One encoder layer over a class token and what it gathers."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(
            dim, heads, 4 * dim, dropout=0.0, activation=nn.GELU(), layer_norm_eps=EPS,
            batch_first=True, norm_first=True,
        )  # fmt: skip
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))

    def gather(self, x: Tensor) -> Tensor:
        """`(B, D)` of `(B, N, D)`."""
        return self(torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1))[:, 0]


class PatchEmbed(nn.Module):
    """A convolution whose kernel is its stride; of the picture's 2-D one only the key is used."""

    def __init__(self, dim: int, depth: int | None) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, 16, 16) if depth is None else nn.Conv3d(3, dim, (depth, 16, 16), (depth, 16, 16))


class PictureEncoder(nn.Module):
    """Motionformer with divided attention: a token for every two pictures of a segment."""

    def __init__(self, config: SynchformerConfig) -> None:
        super().__init__()
        dim, self.grid, self.times = config.dim, config.grid, config.frames // 2
        self.patch_embed, self.patch_embed_3d = PatchEmbed(dim, None), PatchEmbed(dim, 2)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, self.grid**2 + 1, dim))
        self.temp_embed = nn.Parameter(torch.zeros(1, self.times, dim))
        self.blocks = nn.ModuleList(DividedBlock(dim, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.spatial_attn_agg = Pool(dim, config.heads)

    def forward(self, segments: Tensor) -> Tensor:
        """`(B, times, D)` of `(B, 3, frames, H, W)` in [-1, 1]."""
        x = self.patch_embed_3d.proj(segments).flatten(2).transpose(1, 2)
        where = self.pos_embed[:, 1:].repeat(1, self.times, 1) + self.temp_embed.repeat_interleave(self.grid**2, dim=1)
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1)
        x = torch.cat([first, x + where], dim=1)
        for block in self.blocks:
            x = block(x, self.times, self.grid**2)
        x = rearrange(self.norm(x[:, 1:]), "b (t p) d -> (b t) p d", t=self.times)
        return rearrange(self.spatial_attn_agg.gather(x), "(b t) d -> b t d", t=self.times)


class Named(nn.Module):
    """A place in the checkpoint's names: modules and parameters under the names that they have there."""

    def __init__(self, **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


class SoundLayer(nn.Module):
    """A layer of AST under the names of its first release."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        heads_of = Named(**{name: nn.Linear(dim, dim) for name in QKV})
        self.attention = Named(attention=heads_of, output=Named(dense=nn.Linear(dim, dim)))
        self.intermediate = Named(dense=nn.Linear(dim, 4 * dim))
        self.output = Named(dense=nn.Linear(4 * dim, dim))
        self.layernorm_before, self.layernorm_after = nn.LayerNorm(dim, eps=1e-12), nn.LayerNorm(dim, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, N, D)`."""
        inner = self.layernorm_before(x)
        heads = self.attention["attention"]
        q, k, v = (rearrange(heads[name](inner), "b n (h d) -> b h n d", h=self.heads) for name in QKV)
        read = rearrange(scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)")
        x = x + self.attention["output"]["dense"](read)
        hidden = nn.functional.gelu(self.intermediate["dense"](self.layernorm_after(x)))
        return x + self.output["dense"](hidden)


class SoundEncoder(nn.Module):
    """AST, then one pooling layer over frequency: a token for every tenth of a second."""

    def __init__(self, config: SynchformerConfig) -> None:
        super().__init__()
        dim, (self.rows, self.columns) = config.dim, config.mel_grid
        self.ast = Named(
            embeddings=Named(
                cls_token=nn.Parameter(torch.zeros(1, 1, dim)),
                distillation_token=nn.Parameter(torch.zeros(1, 1, dim)),
                position_embeddings=nn.Parameter(torch.zeros(1, self.rows * self.columns + 2, dim)),
                patch_embeddings=Named(projection=nn.Conv2d(1, dim, 16, 10)),
            ),
            encoder=Named(layer=nn.ModuleList(SoundLayer(dim, config.heads) for _ in range(config.depth))),
            layernorm=nn.LayerNorm(dim, eps=1e-12),
        )
        self.freq_attn_agg = Pool(dim, config.heads)

    def forward(self, mels: Tensor) -> Tensor:
        """`(B, times, D)` of `(B, 128, 66)`."""
        embeddings = self.ast["embeddings"]
        patches = embeddings["patch_embeddings"]["projection"](mels[:, None]).flatten(2).transpose(1, 2)
        tokens = [embeddings[name].expand(len(mels), -1, -1) for name in ("cls_token", "distillation_token")]
        x = torch.cat([*tokens, patches], dim=1) + embeddings["position_embeddings"]
        for layer in self.ast["encoder"]["layer"]:
            x = layer(x)
        x = rearrange(self.ast["layernorm"](x)[:, 2:], "b (f t) d -> (b t) f d", f=self.rows)
        return rearrange(self.freq_attn_agg.gather(x), "(b t) d -> b t d", t=self.columns)


class JudgeBlock(nn.Module):
    """A transformer block with separate query, key and value."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Named(**{name: nn.Linear(dim, dim) for name in (*QKV, "proj")})
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, N, D)`."""
        inner = self.ln1(x)
        q, k, v = (rearrange(self.attn[name](inner), "b n (h d) -> b h n d", h=self.heads) for name in QKV)
        x = x + self.attn["proj"](rearrange(scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)"))
        return x + self.mlp(self.ln2(x))


class Judge(nn.Module):
    """Offsets from the tokens of 14 segments of both."""

    def __init__(self, config: SynchformerConfig) -> None:
        super().__init__()
        dim = config.dim
        tokens = SEGMENTS * (config.frames // 2 + config.mel_grid[1]) + 2
        self.vis_in_lnorm, self.aud_in_lnorm, self.ln_f = (nn.LayerNorm(dim) for _ in range(3))
        self.OFF_tok, self.MOD_tok = (nn.Parameter(torch.zeros(1, 1, dim)) for _ in range(2))
        self.pos_emb_cfg = Named(pos_emb=nn.Parameter(torch.zeros(1, tokens, dim)))
        self.blocks = nn.Sequential(*(JudgeBlock(dim, config.judge_heads) for _ in range(config.judge_depth)))
        self.off_head = nn.Linear(dim, CLASSES)

    def forward(self, picture: Tensor, sound: Tensor) -> Tensor:
        """Logits `(B, 21)` of tokens `(B, n, D)`."""
        off, mod = (t.expand(len(picture), -1, -1) for t in (self.OFF_tok, self.MOD_tok))
        x = torch.cat([off, self.vis_in_lnorm(picture), mod, self.aud_in_lnorm(sound)], dim=1)
        x = self.ln_f(self.blocks(x + self.pos_emb_cfg["pos_emb"]))
        return self.off_head(x[:, 0])


class Synchformer(nn.Module):
    """The whole model; keys are `vfeat_extractor.*`, `afeat_extractor.*`, `vproj`, `aproj`, `transformer.*`."""

    def __init__(self, config: SynchformerConfig | None = None) -> None:
        super().__init__()
        config = config or SynchformerConfig()
        self.vfeat_extractor, self.afeat_extractor = PictureEncoder(config), SoundEncoder(config)
        self.vproj, self.aproj = nn.Linear(config.dim, config.dim), nn.Linear(config.dim, config.dim)
        self.transformer = Judge(config)

    def compare(self, picture: Tensor, sound: Tensor) -> Tensor:
        """Logits `(B, 21)` of segments' tokens `(B, 14, t, D)`."""
        v, a = self.vproj(picture).flatten(1, 2), self.aproj(sound).flatten(1, 2)
        return self.transformer(v, a)


def offsets_s() -> Tensor:
    """The offset in s that each class stands for, `(21,)`."""
    return (torch.arange(CLASSES) - CLASSES // 2) * (2 * REACH_S / (CLASSES - 1))
