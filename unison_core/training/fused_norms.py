"""The video VAE's norms and upsampling as one kernel each, in the type and the layout of their input.

diffusers computes x / max(|x|, tiny) * sqrt(C) * gamma, |x| over channels, by a dozen elementwise kernels on float32
copies. That is an RMS norm over channels, which PyTorch has as one kernel for channels that lie innermost, computed in
float32 inside. Nearest-neighbour upsampling copies values and needs no float32 either.
"""

from functools import partial

import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl_wan import WanRMS_norm, WanUpsample
from torch import Tensor, nn

EPS = 1e-20
"""Keeps a pixel of zeros at zero; far below any mean square, as diffusers' 1e-12 is below any length."""


def fuse_norms(vae: nn.Module) -> None:
    """Change the forward methods of `vae`, in place; parameters and results stay."""
    for module in vae.modules():
        if isinstance(module, WanRMS_norm):
            module.forward = partial(_rms_norm, module)  # type: ignore[method-assign]
        elif isinstance(module, WanUpsample):
            module.forward = partial(nn.Upsample.forward, module)  # type: ignore[method-assign]


def _rms_norm(norm: WanRMS_norm, x: Tensor) -> Tensor:
    """`(B, C, ...)`, over C."""
    gamma = norm.gamma.flatten()
    y = F.rms_norm(x.movedim(1, -1), gamma.shape, gamma, EPS).movedim(-1, 1)
    return y + norm.bias
