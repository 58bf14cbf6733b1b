"""How far a decoded clip is from the original, without any network: levels, edges, motion and structure.

    L = L1_w + mse + sum_s L1(blur_s) + edges + motion + (1 - SSIM)

Pixels that move get a higher weight w: a mouth is one per cent of the picture and most of what is looked at.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

SSIM_WINDOW = 7
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
MOTION_REACH = 5
"""Pixels by which a moving region is widened."""


@dataclass(frozen=True, kw_only=True)
class PictureLossConfig:
    """Weights of the terms; level, blur, edge and motion terms are absolute differences in [-1, 1] units."""

    mse: float = 2.0
    blur: float = 0.5
    """For each of the halved and quartered pictures."""
    edges: float = 0.5
    motion: float = 0.5
    ssim: float = 0.1
    moving_weight: float = 4.0
    """What a moving pixel counts beyond a still one's 1."""


def picture_loss(decoded: Tensor, original: Tensor, config: PictureLossConfig) -> dict[str, Tensor]:
    """Terms of the loss by name and their weighted sum `picture`; clips are `(B, 3, F, H, W)` in [-1, 1]."""
    x, y = original.float(), decoded.float()
    weight = moving(x) * config.moving_weight + 1
    difference = (y - x).abs()
    frames_x, frames_y = (rearrange(v, "b c f h w -> (b f) c h w") for v in (x, y))
    terms = {
        "l1": (difference * weight).mean() / weight.mean(),
        "mse": (y - x).square().mean(),
        "blur": torch.stack([F.avg_pool2d(frames_y - frames_x, s).abs().mean() for s in (2, 4)]).sum(),
        "edges": _edges(y - x, -1) + _edges(y - x, -2),
        "motion": ((y - x).diff(dim=2).abs() * weight).mean() / weight.mean(),
        "ssim": 1 - ssim(frames_y, frames_x),
    }
    weights = {"l1": 1.0, "mse": config.mse, "blur": config.blur, "edges": config.edges,
               "motion": config.motion, "ssim": config.ssim}  # fmt: skip
    return {"picture": torch.stack([weights[name] * term for name, term in terms.items()]).sum(), **terms}


def moving(x: Tensor) -> Tensor:
    """How much each pixel changes within the clip, `(B, 1, 1, H, W)` in [0, 1]."""
    change = (x.amax(dim=2) - x.amin(dim=2)).amax(dim=1, keepdim=True)  # (B, 1, H, W)
    reach = F.max_pool2d(change, MOTION_REACH, stride=1, padding=MOTION_REACH // 2)
    return reach.clamp(0, 1)[:, :, None]


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of pictures `(N, C, H, W)` in [-1, 1] (Wang et al. 2004, uniform window)."""
    a, b = (a + 1) / 2, (b + 1) / 2
    mean_a, mean_b = (F.avg_pool2d(v, SSIM_WINDOW, stride=2) for v in (a, b))
    var_a = F.avg_pool2d(a * a, SSIM_WINDOW, stride=2) - mean_a.square()
    var_b = F.avg_pool2d(b * b, SSIM_WINDOW, stride=2) - mean_b.square()
    covariance = F.avg_pool2d(a * b, SSIM_WINDOW, stride=2) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + SSIM_C1) / (mean_a.square() + mean_b.square() + SSIM_C1)
    return (luminance * (2 * covariance + SSIM_C2) / (var_a + var_b + SSIM_C2)).mean()


def psnr_db(decoded: Tensor, original: Tensor) -> Tensor:
    """Peak signal-to-noise ratio per clip, in dB, of uint8 `(B, ...)` pictures."""
    error = (decoded.float() - original.float()).flatten(1).square().mean(dim=1)
    return 10 * torch.log10(255**2 / error.clamp(min=1e-6))


def _edges(difference: Tensor, dim: int) -> Tensor:
    return difference.diff(dim=dim).abs().mean()
