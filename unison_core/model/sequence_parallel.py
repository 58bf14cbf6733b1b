"""One clip over several devices: each computes a share of every latent frame's tokens (Ulysses, arXiv 2309.14509).

    between attentions  tokens (B, T*S/P, D), all heads          in self-attention  tokens (B, T*S, D), H/P heads

The picture is cut within frames, not between them, so that noise levels per frame and the windows of the interaction
nodes stay what they are. The audio branch is small and computed by every process. Exchange is torch.distributed's.
"""

from typing import Any

import torch
import torch.distributed as dist
from einops import rearrange
from torch import Tensor

from unison_core.model.attention import attention


class SequenceParallel:
    """Exchange of tokens between the processes of `group`, which all call it in the same order.

    Attributes:
        rank, size: of this process in the group.
        counts: tokens of a latent frame by process; set by `share`.
    """

    def __init__(self, group: Any = None) -> None:
        self.group = group
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        self.counts: tuple[int, ...] = ()

    def share(self, tokens: Tensor, frames: int, dim: int) -> Tensor:
        """This process's tokens of every frame, of `tokens` whose dimension `dim` is frames * S, frame-major."""
        by_frame = tokens.unflatten(dim, (frames, -1))
        total = by_frame.shape[dim + 1]
        if total < self.size:
            raise ValueError(f"{total} tokens a frame do not go over {self.size} processes")
        self.counts = tuple(total // self.size + (r < total % self.size) for r in range(self.size))
        mine = by_frame.narrow(dim + 1, sum(self.counts[: self.rank]), self.counts[self.rank])
        return mine.flatten(dim, dim + 1)

    def attention(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Self-attention over all tokens: `(B, H, T*S/P, d)` each, out as in.

        Raises ValueError where the heads do not divide.
        """
        heads, dtype = q.shape[1], v.dtype
        if heads % self.size:
            raise ValueError(f"{self.size} processes must divide {heads} heads")
        frames = q.shape[2] // self.counts[self.rank]
        stacked = torch.stack([x.to(dtype) for x in (q, k, v)])  # (3, B, H, L, d)
        lengths = [frames * count for count in self.counts]
        out = attention(*self._to_heads(stacked, lengths).unbind(0))
        return self._to_tokens(out, lengths)

    def gather(self, x: Tensor, dim: int) -> Tensor:
        """The tokens of all processes along `dim`, whose size here is this process's count."""
        ahead = x.movedim(dim, 0).contiguous()
        sizes = [count * ahead[0].numel() for count in self.counts]
        out = ahead.new_empty(sum(sizes))
        dist.all_gather(list(out.split(sizes)), ahead.flatten(), group=self.group) if len(set(sizes)) == 1 else (
            self._gather_uneven(out, ahead.flatten(), sizes)
        )
        return out.view(sum(self.counts), *ahead.shape[1:]).movedim(0, dim)

    def _gather_uneven(self, out: Tensor, mine: Tensor, sizes: list[int]) -> None:
        """An all-to-all that sends the same to everyone: all_gather wants equal sizes."""
        dist.all_to_all_single(out, mine.repeat(self.size), sizes, [len(mine)] * self.size, group=self.group)

    def _to_heads(self, x: Tensor, lengths: list[int]) -> Tensor:
        """`(n, B, H, L_here, d)` to `(n, B, H/P, L, d)`."""
        n, batch, heads, _, width = x.shape
        own = heads // self.size
        sent = rearrange(x, "n b (p h) l d -> p n b h l d", p=self.size).contiguous()
        sizes = [n * batch * own * length * width for length in lengths]
        received = sent.new_empty(sum(sizes))
        dist.all_to_all_single(received, sent.flatten(), sizes, [sent[0].numel()] * self.size, group=self.group)
        parts = [part.view(n, batch, own, length, width)
                 for part, length in zip(received.split(sizes), lengths, strict=True)]  # fmt: skip
        return torch.cat(parts, dim=3)

    def _to_tokens(self, x: Tensor, lengths: list[int]) -> Tensor:
        """`(B, H/P, L, d)` to `(B, H, L_here, d)`."""
        batch, own, _, width = x.shape
        sent = torch.cat([part.flatten() for part in x.split(lengths, dim=2)])
        here = batch * own * lengths[self.rank] * width
        received = sent.new_empty(self.size * here)
        dist.all_to_all_single(
            received, sent, [here] * self.size, [batch * own * n * width for n in lengths], group=self.group
        )
        parts = received.view(self.size, batch, own, lengths[self.rank], width)
        return rearrange(parts, "p b h l d -> b (p h) l d")
