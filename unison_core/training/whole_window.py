"""The video VAE over whole windows at once, as training computes it: diffusers' weights and results, fewer kernels.

diffusers feeds the encoder and the decoder piece by piece through a cache, in `(B, C, F, H, W)`, with norms of a dozen
float32 kernels. A training window is short: here all of its frames go through together, in `(B, F, H, W, C)`,

    causal conv:  y_f = sum_k W_k * x_(f-2+k), k = 0, 1, 2,  as one 2-D convolution over three frames' channels

so that nothing is copied for the layout's sake, and all between two convolutions is one function that compiles.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl_wan import patchify, unpatchify
from einops import rearrange, reduce
from torch import Tensor, nn

from unison_core.codecs.video_vae import VideoVAE

BEFORE = (0, 0) * 3 + (2, 0)
"""Padding by two frames of zeros, which a causal kernel meets before the first."""
EPS = 1e-20
"""Keeps a pixel of zeros at zero, far below any mean square."""


class WholeWindow:
    """Encoder and decoder of one VAE.

    Args:
        vae: an `AutoencoderKLWan` of Wan2.2's kind, with shortcuts around its blocks.
        compiler: backend of torch.compile for what is between two convolutions; None computes it eagerly.

    Raises:
        ValueError: the VAE is of another kind.
    """

    def __init__(self, vae: VideoVAE, compiler: str | None = None) -> None:
        if not vae.config.is_residual:
            raise ValueError("a video VAE without shortcuts around its blocks (is_residual) is not trained here")
        self.vae = vae
        self.enter: Callable[[Tensor, Tensor], Tensor] = enter
        if compiler:
            self.enter = torch.compile(enter, dynamic=False, backend=compiler)

    def moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and log-variance `(B, C, T, h, w)`, not normalised, of `pixels` `(B, 3, 4k+1, H, W)`."""
        vae, encoder = self.vae, self.vae.encoder
        x = rearrange(patchify(pixels.to(vae.dtype), vae.config.patch_size or 1), "b c f h w -> b f h w c")
        x = _causal(encoder.conv_in, x)
        for block in encoder.down_blocks:
            around = _averaged(block.avg_shortcut, x)
            for layer in block.resnets:
                x = self._resnet(layer, x)
            x = (x if block.downsampler is None else _down(block.downsampler, x)) + around
        x = self._normed(encoder.norm_out, encoder.conv_out, self._middle(encoder.mid_block, x))
        mean, logvar = rearrange(_pointwise(vae.quant_conv, x), "b f h w c -> b c f h w").chunk(2, dim=1)
        return mean, logvar.clamp(-30, 20)

    def synthesise(self, z: Tensor) -> Tensor:
        """Pixels `(B, 3, 4(T-1)+1, H, W)` of latents `(B, C, T, h, w)` that are not normalised; not clamped."""
        vae, decoder = self.vae, self.vae.decoder
        x = _pointwise(vae.post_quant_conv, rearrange(z.to(vae.dtype), "b c f h w -> b f h w c"))
        x = self._middle(decoder.mid_block, _causal(decoder.conv_in, x))
        for block in decoder.up_blocks:
            around = None if block.avg_shortcut is None else _repeated(block.avg_shortcut, x)
            for layer in block.resnets:
                x = self._resnet(layer, x)
            if around is not None:
                x = _up(block.upsampler, x) + around
        x = self._normed(decoder.norm_out, decoder.conv_out, x)
        return unpatchify(rearrange(x, "b f h w c -> b c f h w"), vae.config.patch_size or 1)

    def _middle(self, block: Any, x: Tensor) -> Tensor:
        x = self._resnet(block.resnets[0], x)
        for attention, layer in zip(block.attentions, block.resnets[1:], strict=True):
            x = self._resnet(layer, _attend(attention, x))
        return x

    def _resnet(self, layer: Any, x: Tensor) -> Tensor:
        around = x if isinstance(layer.conv_shortcut, nn.Identity) else _pointwise(layer.conv_shortcut, x)
        return around + self._normed(layer.norm2, layer.conv2, self._normed(layer.norm1, layer.conv1, x))

    def _normed(self, norm: Any, conv: nn.Conv3d, x: Tensor) -> Tensor:
        """Norm, SiLU and causal convolution."""
        return _conv2d(self.enter(x, norm.gamma.flatten()), _side_by_side(conv.weight), conv.bias, 1)


def enter(x: Tensor, gamma: Tensor) -> Tensor:
    """SiLU of the norm of `(B, F, H, W, C)`, three frames side by side `(B, F, H, W, 3 C)`."""
    return _three(F.pad(F.silu(rms_norm(x, gamma)).to(x.dtype), BEFORE), 1)


def rms_norm(x: Tensor, gamma: Tensor) -> Tensor:
    """diffusers' norm over channels, x / |x| sqrt(C) gamma, in float32."""
    wide = x.float()
    return wide * (wide.square().mean(dim=-1, keepdim=True) + EPS).rsqrt() * gamma


def _three(x: Tensor, step: int) -> Tensor:
    """Every `step`-th frame of `(B, F, H, W, C)`, with the two that follow it as further channels."""
    count = x.shape[1] - 2
    return torch.cat([x[:, k : k + count : step] for k in range(3)], dim=-1)


def _side_by_side(weight: Tensor) -> Tensor:
    """`(C', C, 3, h, w)` -> `(C', 3 C, h, w)`, as `_three` lays the channels."""
    return rearrange(weight, "o c k h w -> o (k c) h w").contiguous(memory_format=torch.channels_last)


def _conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int = 0, stride: int = 1) -> Tensor:
    """`(B, F, H, W, C)` -> `(B, F, H', W', C')`, frame by frame."""
    y = F.conv2d(rearrange(x, "b f h w c -> (b f) c h w"), weight, bias, stride, padding)
    return rearrange(y, "(b f) c h w -> b f h w c", b=x.shape[0])


def _causal(conv: nn.Conv3d, x: Tensor) -> Tensor:
    return _conv2d(_three(F.pad(x, BEFORE), 1), _side_by_side(conv.weight), conv.bias, conv.weight.shape[-1] // 2)


def _pointwise(conv: nn.Conv3d, x: Tensor) -> Tensor:
    return F.linear(x, conv.weight.flatten(1), conv.bias)


def _down(resample: Any, x: Tensor) -> Tensor:
    """Half the size; half the frames after the first, which has none before it."""
    conv = resample.resample[1]
    x = _conv2d(F.pad(x, (0, 0, 0, 1, 0, 1)), conv.weight, conv.bias, stride=2)
    if resample.mode == "downsample3d" and x.shape[1] > 1:
        time = resample.time_conv
        x = torch.cat([x[:, :1], F.linear(_three(x, 2), _side_by_side(time.weight).flatten(1), time.bias)], dim=1)
    return x


def _up(resample: Any, x: Tensor) -> Tensor:
    """Twice the size; twice the frames after the first, which they do not see."""
    if resample.mode == "upsample3d" and x.shape[1] > 1:
        later = _causal(resample.time_conv, x[:, 1:])
        x = torch.cat([x[:, :1], rearrange(later, "b f h w (two c) -> b (f two) h w c", two=2)], dim=1)
    conv = resample.resample[1]
    return _conv2d(x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3), conv.weight, conv.bias, 1)


def _averaged(shortcut: Any, x: Tensor) -> Tensor:
    """diffusers' `AvgDown3D`: pixels to channels, then means of neighbouring channels."""
    p, q = shortcut.factor_t, shortcut.factor_s
    x = F.pad(x, (0, 0) * 3 + (-x.shape[1] % p, 0))
    x = rearrange(x, "b (f p) (h q) (w r) c -> b f h w (c p q r)", p=p, q=q, r=q)
    return reduce(x, "b f h w (c g) -> b f h w c", "mean", g=shortcut.group_size)


def _repeated(shortcut: Any, x: Tensor) -> Tensor:
    """diffusers' `DupUp3D`: repeated channels to pixels; the first frame stays one."""
    p, q = shortcut.factor_t, shortcut.factor_s
    x = x.repeat_interleave(shortcut.repeats, dim=-1)
    return rearrange(x, "b f h w (c p q r) -> b (f p) (h q) (w r) c", p=p, q=q, r=q)[:, p - 1 :]


def _attend(block: Any, x: Tensor) -> Tensor:
    """Attention within each frame."""
    y = rms_norm(x, block.norm.gamma.flatten()).to(x.dtype)
    q, k, v = rearrange(_pointwise(block.to_qkv, y), "b f h w (n c) -> n (b f) 1 (h w) c", n=3)
    y = rearrange(F.scaled_dot_product_attention(q, k, v), "f 1 l c -> f l c").reshape(x.shape)
    return x + _pointwise(block.proj, y)
