"""One clip over several devices: each computes a share of every latent frame's tokens (Ulysses, arXiv 2309.14509).

    between attentions  tokens (B, T*S/P, D), all heads          in self-attention  tokens (B, T*S, D), H/P heads

The picture is cut within frames, not between them, so that noise levels per frame and the windows of the interaction
nodes stay what they are. The audio branch is small and computed by every process. Exchange is torch.distributed's.
"""

from typing import Any

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
        heads = q.shape[1]
        if heads % self.size:
            raise ValueError(f"{self.size} processes must divide {heads} heads")
        lengths = [q.shape[2] // self.counts[self.rank] * count for count in self.counts]
        return self._to_tokens(attention(*self._to_heads((q, k, v), lengths)), lengths)

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

    def _to_heads(self, tensors: tuple[Tensor, Tensor, Tensor], lengths: list[int]) -> tuple[Tensor, ...]:
        """`(B, H, L_here, d)` each to `(B, H/P, L, d)`, copied once: with tokens first, shares join as they come."""
        batch, heads, here, width = tensors[0].shape
        sent = tensors[-1].new_empty(self.size, here, len(tensors), batch, heads // self.size, width)
        for i, x in enumerate(tensors):
            sent[:, :, i] = rearrange(x, "b (p h) l d -> p l b h d", p=self.size)
        received = sent.new_empty(sum(lengths), *sent.shape[2:])
        dist.all_to_all_single(received, sent.flatten(0, 1), lengths, [here] * self.size, group=self.group)
        return rearrange(received, "l n b h d -> n b h l d").unbind(0)

    def _to_tokens(self, x: Tensor, lengths: list[int]) -> Tensor:
        """`(B, H/P, L, d)` to `(B, H, L_here, d)`; a token's heads lie together, as the projection takes them."""
        batch, own, _, width = x.shape
        here = lengths[self.rank]
        sent = rearrange(x, "b h l d -> l b h d").contiguous()
        received = sent.new_empty(self.size * here, batch, own, width)
        dist.all_to_all_single(received, sent, [here] * self.size, lengths, group=self.group)
        return rearrange(received, "(p l) b h d -> b l (p h) d", p=self.size).transpose(1, 2)
