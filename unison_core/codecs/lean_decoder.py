"""Wan2.2's video decoder in low precision on a GPU: diffusers' weights and results, fewer products, fewer copies.

At 704x1280 and 125 frames the decoder is 2.07e15 operations, nearly all of them in convolutions, and diffusers' norms,
casts and copies move some 4 TB besides. Three changes, none of which changes what is computed:

- three taps in time cost two (`causal_conv`), and a convolution of a doubled picture costs 4/9: 1.33e15 operations
- activations are (B, F, H, W, C) from end to end, so that norm, SiLU and what a convolution adds are few kernels
- the blocks at the latents' resolution see the whole clip at once, the others as many frames as memory allows

Weights are prepared anew in every call, in milliseconds, so that the module that holds them can be anywhere and change.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d
from einops import rearrange
from torch import Tensor, nn

from unison_core.codecs.causal_conv import HISTORY, CausalConv, Winograd, conv2d, doubled, doubling
from unison_core.codecs.video_vae import latents_per_chunk, to_levels

EPS = 1e-20
"""Keeps a pixel of zeros at zero, far below any mean square."""
LARGE = 2**15
"""Pixels of a feature map from which fusing pays for compiling: nine tenths of what is moved is in such."""


def enter(
    x: Tensor, gamma: Tensor | None, history: Tensor, split: Callable[[Tensor], tuple[Tensor, ...]]
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Norm (RMS over channels, in float32) and SiLU; what is to be convolved, and the last two frames."""
    seen = torch.cat([history, x if gamma is None else activate(x, gamma)], dim=1)
    return split(seen), seen[:, -HISTORY:].clone(memory_format=torch.contiguous_format)


def leave(
    products: tuple[Tensor, ...], bias: Tensor, residual: Tensor | None, join: Callable[[tuple[Tensor, ...]], Tensor]
) -> Tensor:
    """Frames of what was convolved, plus bias and residual."""
    y = join(products) + bias
    return y if residual is None else y + residual


def activate(x: Tensor, gamma: Tensor) -> Tensor:
    """SiLU of the norm over channels `(..., C)`."""
    return F.silu(F.rms_norm(x, gamma.shape, gamma, EPS))


@dataclass(frozen=True)
class Pointwise:
    """What is done before and after a convolution, eager or compiled."""

    enter: Callable[..., tuple[tuple[Tensor, ...], Tensor]] = enter
    leave: Callable[..., Tensor] = leave


EAGER = Pointwise()


@cache
def compiled(backend: str = "inductor") -> Pointwise:
    """Few kernels before and after each convolution, for pictures of `LARGE` pixels or more: nine graphs in all."""
    fused_enter = torch.compile(enter, dynamic=False, backend=backend)
    fused_leave = torch.compile(leave, dynamic=False, backend=backend)

    def enter_any(x: Tensor, *rest: Any) -> tuple[tuple[Tensor, ...], Tensor]:
        return (fused_enter if x.shape[2] * x.shape[3] >= LARGE else enter)(x, *rest)

    def leave_any(products: tuple[Tensor, ...], *rest: Any) -> Tensor:
        large = products[0].shape[2] * products[0].shape[3] >= LARGE
        return (fused_leave if large else leave)(products, *rest)

    return Pointwise(enter_any, leave_any)


def takes(vae: Any) -> bool:
    """Whether `vae` is decoded here: Wan2.2's kind, with shortcuts around its blocks, and time doubled by the first."""
    upsampler = vae.decoder.up_blocks[0].upsampler if vae.config.is_residual else None
    return upsampler is not None and upsampler.mode == "upsample3d"


class LeanDecoder:
    """One decoding of one clip.

    Args:
        vae: an `AutoencoderKLWan` that `takes` accepts; read, never changed.
        dtype: of weights and activations; norms are computed in float32 inside.
        conv: how three taps in time are computed.
        pointwise: eager or compiled.
    """

    def __init__(
        self,
        vae: Any,
        dtype: torch.dtype,
        conv: Callable[[nn.Conv3d, torch.dtype], CausalConv] = Winograd,
        pointwise: Pointwise = EAGER,
    ) -> None:
        self.vae, self.decoder, self.dtype, self.pointwise = vae, vae.decoder, dtype, pointwise
        self.convs: dict[nn.Module, CausalConv] = {
            module: conv(module, dtype)
            for module in self.decoder.modules()
            if isinstance(module, WanCausalConv3d) and module.kernel_size[0] > 1
        }
        self.doublings = {
            block: doubling(block.upsampler.resample[1], dtype)
            for block in self.decoder.up_blocks
            if block.upsampler is not None
        }
        self.history: dict[nn.Module, Tensor] = {}

    def frames(self, z: Tensor, latents_per_chunk: int) -> Iterator[Tensor]:
        """Pieces `(1, F, H, W, 3)` of pixels, not clamped, of latents `(1, C, T, h, w)` that are not normalised."""
        quant = self.vae.post_quant_conv
        x = rearrange(z.to(self.dtype), "b c t h w -> b t h w c")
        x = F.linear(x, quant.weight.flatten(1).to(self.dtype), quant.bias.to(self.dtype))
        yield self._upper(self._lower(x[:, :1], first=True), first=True)
        rest = x[:, 1:]
        if not rest.shape[1]:
            return
        # An odd number gets a latent more, which nothing before it sees and which goes no further than this half.
        low = self._lower(F.pad(rest, (0, 0) * 3 + (0, rest.shape[1] % 2)), first=False)
        for part in low[:, : 2 * rest.shape[1]].split(2 * latents_per_chunk, dim=1):
            yield self._upper(part, first=False)

    def _lower(self, x: Tensor, *, first: bool) -> Tensor:
        """All that works at the latents' resolution."""
        decoder = self.decoder
        x = self._conv(decoder.conv_in, x, None, None, first)
        mid = decoder.mid_block
        x = self._resnet(mid.resnets[0], x, first)
        for attention, resnet in zip(mid.attentions, mid.resnets[1:], strict=True):
            x = self._resnet(resnet, self._attention(attention, x), first)
        return self._up(decoder.up_blocks[0], x, first)

    def _upper(self, x: Tensor, *, first: bool) -> Tensor:
        decoder = self.decoder
        for block in decoder.up_blocks[1:]:
            x = self._up(block, x, first)
        x = self._conv(decoder.conv_out, x, decoder.norm_out, None, first)[..., : decoder.conv_out.out_channels]
        patch = self.vae.config.patch_size or 1
        return rearrange(x, "b f h w (c q p) -> b f (h p) (w q) c", p=patch, q=patch)

    def _up(self, block: Any, x: Tensor, first: bool) -> Tensor:
        y = x
        for resnet in block.resnets:
            y = self._resnet(resnet, y, first)
        upsampler, shortcut = block.upsampler, block.avg_shortcut
        if upsampler is None:
            return y
        if upsampler.mode == "upsample3d":
            if first:  # one frame stays one, and the next ones see zeros before them
                self.history[upsampler.time_conv] = torch.zeros_like(y).repeat(1, HISTORY, 1, 1, 1)
            else:
                y = self._conv(upsampler.time_conv, y, None, None, first)
                y = rearrange(y, "b f h w (two c) -> b (f two) h w c", two=2)
        phases = doubled(y, self.doublings[block])  # (B, F, H, 2, W, 2, C)
        around = repeated(x, upsampler.resample[1].bias.to(self.dtype), shortcut)
        around = around[:, :, -1:] if first else around
        phases = phases.unflatten(1, around.shape[1:3])
        wide = phases.new_empty(phases.shape)  # contiguous: left to itself, the sum is laid out as the view is
        torch.add(phases, around, out=wide)
        return wide.flatten(5, 6).flatten(3, 4).flatten(1, 2)

    def _resnet(self, resnet: Any, x: Tensor, first: bool) -> Tensor:
        short = resnet.conv_shortcut
        around = x
        if not isinstance(short, nn.Identity):
            around = F.linear(x, short.weight.flatten(1).to(self.dtype), short.bias.to(self.dtype))
        y = self._conv(resnet.conv1, x, resnet.norm1, None, first)
        return self._conv(resnet.conv2, y, resnet.norm2, around, first)

    def _attention(self, block: Any, x: Tensor) -> Tensor:
        """Of every frame by itself."""
        gamma = block.norm.gamma.flatten().to(self.dtype)
        qkv = conv2d(F.rms_norm(x, gamma.shape, gamma, EPS), block.to_qkv.weight.to(self.dtype))
        q, k, v = rearrange(qkv + block.to_qkv.bias.to(self.dtype), "b f h w (n c) -> n (b f) 1 (h w) c", n=3)
        y = rearrange(F.scaled_dot_product_attention(q, k, v), "f 1 l c -> f l c").reshape(x.shape)
        return x + conv2d(y, block.proj.weight.to(self.dtype)) + block.proj.bias.to(self.dtype)

    def _conv(self, module: nn.Module, x: Tensor, norm: Any, residual: Tensor | None, first: bool) -> Tensor:
        """Norm and SiLU where there is a norm, then the causal convolution, then the residual."""
        conv = self.convs[module]
        gamma = None if norm is None else norm.gamma.flatten().to(self.dtype)
        if first:
            y = x if gamma is None else activate(x, gamma)
            self.history[module] = torch.cat([torch.zeros_like(y), y], dim=1)
            return leave((conv.first(y),), conv.bias, residual, lambda products: products[0])
        terms, self.history[module] = self.pointwise.enter(x, gamma, self.history[module], conv.split)
        return self.pointwise.leave(conv.multiply(terms), conv.bias, residual, conv.join)


def repeated(x: Tensor, bias: Tensor, shortcut: Any) -> Tensor:
    """diffusers' `DupUp3D` of `x` `(B, F, H, W, C)`, plus `bias` `(C',)`: `(B, F, f, H, 2, W, 2, C')`, a view."""
    wide = shortcut.factor // shortcut.repeats
    x = (x + bias.repeat_interleave(wide)).unflatten(-1, (shortcut.out_channels, wide))
    x = x.unsqueeze(-1).expand(*x.shape, shortcut.repeats)
    x = x.reshape(*x.shape[:-2], shortcut.factor_t, shortcut.factor_s, shortcut.factor_s)
    return rearrange(x, "b f h w c t p q -> b f t h p w q c")


def decode(
    vae: Any, latents: Tensor, mean: Tensor, std: Tensor, dtype: torch.dtype, pointwise: Pointwise = EAGER
) -> Tensor:
    """uint8 frames `(B, F, H, W, 3)` of normalised latents `(B, C, T, h, w)`, clip by clip, as `video_vae.decode`."""
    z = latents.float() * rearrange(std.float(), "c -> 1 c 1 1 1") + rearrange(mean.float(), "c -> 1 c 1 1 1")
    clips = []
    for clip in z.split(1):
        pieces = LeanDecoder(vae, dtype, pointwise=pointwise).frames(clip, latents_per_chunk(vae, clip))
        clips.append(torch.cat([to_levels(piece) for piece in pieces], dim=1))
    return torch.cat(clips)
