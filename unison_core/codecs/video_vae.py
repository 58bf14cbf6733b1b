"""Pictures <-> video latents, by `diffusers.AutoencoderKLWan` at every size (public_weights: Wan2.2 VAE).

    frames uint8 (B, F, H, W, 3)  ->  x in [-1, 1] (B, 3, F, H, W)  ->  (mean(x) - mean_c) / std_c  (B, C, T, h, w)

The VAE is causal in time and works through a cache of features: pixel frame 0 is latent 0, every further latent is four
frames. diffusers feeds it one latent at a time; feeding frame 0 and then as many latents as memory allows computes the
same numbers (the cache carries two frames whatever the chunk) several times faster, and lets short windows be trained.
"""

from typing import Any, TypeAlias

import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import patchify, unpatchify
from einops import rearrange
from torch import Tensor

from unison_core.config import VideoVAEConfig

VideoVAE: TypeAlias = Any
"""An `AutoencoderKLWan`; diffusers' mixins hide its attributes from type checkers."""
TEMPORAL_STRIDE = 4
"""Pixel frames per latent frame after the first: fixed by the VAE's class."""
CHUNK_ELEMENTS = 2**28
"""Elements of the widest activation that one chunk may have: half a GiB in bfloat16."""


def build_video_vae(config: VideoVAEConfig) -> VideoVAE:
    """The VAE that `config` describes, with random weights; raises ValueError for levels that do not fit together."""
    levels = len(config.dim_mult)
    if len(config.temporal_downsample) != levels - 1:
        raise ValueError(f"temporal_downsample={config.temporal_downsample} must have {levels - 1} entries")
    patch = config.patch_size or 1
    if patch * 2 ** (levels - 1) != config.spatial_stride:
        raise ValueError(f"patch_size={patch} and {levels} levels make no spatial_stride={config.spatial_stride}")
    return AutoencoderKLWan(
        base_dim=config.base_dim,
        decoder_base_dim=config.decoder_base_dim,
        z_dim=config.z_dim,
        dim_mult=list(config.dim_mult),
        num_res_blocks=config.num_res_blocks,
        temperal_downsample=list(config.temporal_downsample),
        latents_mean=[0.0] * config.z_dim,
        latents_std=[1.0] * config.z_dim,
        is_residual=config.is_residual,
        in_channels=3 * patch**2,
        out_channels=3 * patch**2,
        patch_size=config.patch_size,
        scale_factor_temporal=TEMPORAL_STRIDE,
        scale_factor_spatial=config.spatial_stride,
    )


def to_pixels(frames: Tensor) -> Tensor:
    """uint8 `(B, F, H, W, 3)` -> float32 `(B, 3, F, H, W)` in [-1, 1]."""
    return rearrange(frames, "b f h w c -> b c f h w").float() / 127.5 - 1


def to_frames(pixels: Tensor) -> Tensor:
    """float `(B, 3, F, H, W)` -> uint8 `(B, F, H, W, 3)`, rounded and clamped."""
    return rearrange(to_levels(pixels), "b c f h w -> b f h w c").contiguous()


def to_levels(pixels: Tensor) -> Tensor:
    """float in [-1, 1] -> uint8 of the same shape, rounded and clamped."""
    return ((pixels.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def moments(vae: VideoVAE, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior mean and log-variance `(B, C, T, h, w)`, not normalised, of `pixels` `(B, 3, 4k+1, H, W)`."""
    frames = pixels.shape[2]
    if (frames - 1) % TEMPORAL_STRIDE:
        raise ValueError(f"frames={frames} is not {TEMPORAL_STRIDE}k+1")
    x = patchify(pixels.to(vae.dtype), vae.config.patch_size or 1)
    step = TEMPORAL_STRIDE * _latents_per_chunk(vae, pixels)
    cache: list[Tensor | None] = [None] * vae._cached_conv_counts["encoder"]
    chunks = [x[:, :, :1], *(x[:, :, i : i + step] for i in range(1, frames, step))]
    encoded = [vae.encoder(chunk, feat_cache=cache, feat_idx=[0]) for chunk in chunks]
    mean, logvar = vae.quant_conv(torch.cat(encoded, dim=2)).chunk(2, dim=1)
    return mean, logvar.clamp(-30, 20)


def synthesise(vae: VideoVAE, z: Tensor) -> Tensor:
    """Pixels `(B, 3, 4(T-1)+1, H, W)` of latents `(B, C, T, h, w)` that are not normalised; not clamped."""
    x = vae.post_quant_conv(z.to(vae.dtype))
    step = latents_per_chunk(vae, z)
    cache: list[Tensor | None] = [None] * vae._cached_conv_counts["decoder"]
    decoded = [vae.decoder(x[:, :, :1], feat_cache=cache, feat_idx=[0], first_chunk=True)]
    for i in range(1, x.shape[2], step):
        decoded.append(vae.decoder(x[:, :, i : i + step], feat_cache=cache, feat_idx=[0]))
    return unpatchify(torch.cat(decoded, dim=2), vae.config.patch_size or 1)


def synthesise_tiled(vae: VideoVAE, z: Tensor) -> Tensor:
    """The same by diffusers' overlapping tiles: memory of one tile, seams blended, pixels clamped to [-1, 1]."""
    return vae.tiled_decode(z, return_dict=False)[0]


def encode(vae: VideoVAE, frames: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Normalised latents `(B, C, T, h, w)`, float32, of uint8 `frames`; `mean` and `std` are `(C,)`."""
    posterior_mean, _ = moments(vae, to_pixels(frames))
    return (posterior_mean.float() - _per_channel(mean)) / _per_channel(std)


def decode(vae: VideoVAE, latents: Tensor, mean: Tensor, std: Tensor, *, tiled: bool = False) -> Tensor:
    """uint8 frames `(B, F, H, W, 3)` of normalised latents `(B, C, T, h, w)`, by tiles where memory is short."""
    z = latents.float() * _per_channel(std) + _per_channel(mean)
    return to_frames(synthesise_tiled(vae, z) if tiled else synthesise(vae, z))


def _per_channel(values: Tensor) -> Tensor:
    return rearrange(values.float(), "c -> 1 c 1 1 1")


def latents_per_chunk(vae: VideoVAE, z: Tensor) -> int:
    """Latents `(B, C, T, h, w)` in a chunk, such that the widest activation while decoding fits."""
    return _latents_per_chunk(vae, z, vae.config.scale_factor_spatial)


def _latents_per_chunk(vae: VideoVAE, frame: Tensor, scale: int = 1) -> int:
    """Latents in a chunk such that the widest activation, base_dim channels at patch resolution, fits."""
    batch, _, _, height, width = frame.shape
    dim = max(vae.config.base_dim, vae.config.decoder_base_dim or 0)
    per_frame = batch * dim * height * width * scale**2 // (vae.config.patch_size or 1) ** 2
    return max(1, CHUNK_ELEMENTS // (TEMPORAL_STRIDE * per_frame))
