"""All codecs of a model in one: clips <-> normalised latents (DESIGN sec. 2, 3).

    frames (B, F, H, W, 3) <-> video latents (B, C, T, h, w)          wave (B, S) <-> audio latents (B, N, C)

Latents have zero mean and unit variance per channel over the training data; a decoded wave passes the silence gate.
"""

from collections.abc import Callable, Collection
from itertools import chain
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from unison_core.codecs import lean_decoder, video_vae
from unison_core.codecs.audio_vae import AudioVAE
from unison_core.codecs.mel import LogMel
from unison_core.codecs.silence_gate import silence_gate
from unison_core.codecs.vocoder import build_vocoder
from unison_core.config import Preset
from unison_core.errors import UnisonError
from unison_core.weights.resolve import ModelFolder
from unison_core.weights.state import load_onto
from unison_core.weights.tensors import read_tensors, write_tensors

PARTS = VIDEO_VAE, AUDIO_VAE, VOCODER = "video_vae", "audio_vae", "vocoder"
MEAN, STD = "latents_mean", "latents_std"
"""Names of the latents' statistics among the tensors of a VAE's file."""
SETTLED = 6
"""Video latents after which a still picture is encoded alike for ever."""


class LatentStats(nn.Module):
    """Mean and standard deviation per latent channel, `(C,)`."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))


class Codec(nn.Module):
    """The codecs of one preset.

    Args:
        preset: its `codecs` and `timing` are read.
        batch: clips that go through the networks together; larger inputs are split.

    Attributes:
        precision: of the video VAE's arithmetic, float32 or bfloat16 (autocast); audio is always float32.
        tiled: decode video in overlapping tiles, where memory is short.
        pointwise: how the lean decoder does what lies between convolutions, eager or compiled.
    """

    def __init__(self, preset: Preset, *, batch: int = 16) -> None:
        super().__init__()
        config, timing = preset.codecs, preset.timing
        self.preset, self.batch = preset, batch
        self.precision, self.tiled = torch.float32, False
        self.pointwise = lean_decoder.EAGER
        self.video_vae = video_vae.build_video_vae(config.video)
        self.mel = LogMel(config.mel, timing.sample_rate_hz)
        self.audio_vae = AudioVAE(config.audio, config.mel.mels)
        self.vocoder = build_vocoder(config, timing.sample_rate_hz)
        self.video_stats = LatentStats(config.video.z_dim)
        self.audio_stats = LatentStats(config.audio.latent_channels)
        made = config.mel.hop * self.audio_vae.frames_per_latent
        if made != timing.samples_per_latent:
            raise ValueError(f"codecs make {made} samples per latent, timing says {timing.samples_per_latent}")
        self.requires_grad_(False).eval()

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        device: torch.device | str = "cpu",
        precision: torch.dtype = torch.float32,
        *,
        parts: Collection[str] = PARTS,
    ) -> "Codec":
        """Codecs of a model folder (`unison.yaml` and three safetensors); raises UnisonError where a file is bad.

        `parts` are read, the audio VAE always among them; others, which who only encodes lacks, stay without weights.
        """
        folder = Path(folder)
        preset = ModelFolder(str(folder), folder).preset
        with torch.device("meta"):
            codec = cls(preset)
        codec.mel = LogMel(preset.codecs.mel, preset.timing.sample_rate_hz)  # computed, not stored
        codec.audio_stats = _load_lazily(codec.audio_vae, folder, device, AUDIO_VAE)
        codec.audio_vae.fold()
        if VIDEO_VAE in parts:
            codec.video_stats = _load_lazily(codec.video_vae, folder, device, VIDEO_VAE)
        if VOCODER in parts:
            load_onto(codec.vocoder, folder, device, torch.float32, stem=VOCODER)
        codec.precision = precision
        for child in codec.children():
            if not any(tensor.is_meta for tensor in chain(child.parameters(), child.buffers())):
                child.to(device)
        return codec

    def save(self, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
        """Write the three safetensors; statistics stay float32. The preset is written by `weights.save`."""
        save_part(self.video_vae, folder, VIDEO_VAE, self.video_stats, dtype)
        save_part(self.audio_vae, folder, AUDIO_VAE, self.audio_stats, dtype)
        save_part(self.vocoder, folder, VOCODER, None, dtype)

    @property
    def device(self) -> torch.device:
        return self.audio_stats.mean.device

    @property
    def lean(self) -> bool:
        """Whether video is decoded by `lean_decoder`: Wan2.2's VAE in low precision on CUDA, where memory is enough."""
        low = self.device.type == "cuda" and self.precision != torch.float32
        return low and not self.tiled and lean_decoder.takes(self.video_vae)

    @torch.inference_mode()
    def encode_video(self, frames: Tensor) -> Tensor:
        """Normalised latents `(B, C, T, h, w)`, float32, of uint8 RGB `(B, 4(T-1)+1, H, W, 3)`."""
        stats = self.video_stats

        def encode(x: Tensor) -> Tensor:
            with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
                return video_vae.encode(self.video_vae, x, stats.mean, stats.std)

        return self._batched(encode, frames)

    @torch.inference_mode()
    def decode_video(self, latents: Tensor) -> Tensor:
        """uint8 RGB frames `(B, 4(T-1)+1, H, W, 3)` of normalised latents `(B, C, T, h, w)`."""
        stats = self.video_stats

        def decode(z: Tensor) -> Tensor:
            if self.lean:
                return lean_decoder.decode(
                    self.video_vae, z, stats.mean, stats.std, self.precision, self.pointwise
                )  # fmt: skip
            with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
                return video_vae.decode(self.video_vae, z, stats.mean, stats.std, tiled=self.tiled)

        return self._batched(decode, latents)

    @torch.inference_mode()
    def encode_audio(self, wave: Tensor) -> Tensor:
        """Normalised latents `(B, N, C)` of waves `(B, S)`: the posterior's mean; N = ceil(S / samples_per_latent).

        A wave that ends inside a latent is continued by silence.
        """
        padded = F.pad(wave, (0, -wave.shape[-1] % self.preset.timing.samples_per_latent))
        return self._batched(self._encode_mel_of, padded)

    @torch.inference_mode()
    def decode_audio(self, latents: Tensor) -> Tensor:
        """Waves `(B, N * samples_per_latent)` in [-1, 1] of normalised latents `(B, N, C)`."""
        return self._batched(self._vocode, latents)

    def decode_mel(self, latents: Tensor) -> Tensor:
        """Log-mel `(B, mels, L)` of normalised audio latents `(B, N, C)`."""
        z = latents.float() * self.audio_stats.std + self.audio_stats.mean
        return self.audio_vae.decode(rearrange(z, "b n c -> b c n"))

    def silence(self, count: int) -> Tensor:
        """Encoded silence `(1, count, C)`."""
        return self.encode_audio(torch.zeros(1, count * self.preset.timing.samples_per_latent))

    @torch.inference_mode()
    def still(self, latents: Tensor) -> Tensor:
        """Latents `(B, C, T, h, w)` of clips that show frame 0 of `latents` throughout.

        The causal VAE reaches only so far back: past `SETTLED` latents the code of a still picture stays the same.
        """
        count = latents.shape[2]
        settled = min(count, SETTLED)
        first = self.decode_video(latents[:, :, :1])
        shown = repeat(first, "b 1 h w c -> b f h w c", f=video_vae.TEMPORAL_STRIDE * (settled - 1) + 1)
        encoded = self.encode_video(shown)
        last = repeat(encoded[:, :, -1:], "b c 1 h w -> b c t h w", t=count - settled)
        return torch.cat([encoded, last], dim=2)

    def _encode_mel_of(self, wave: Tensor) -> Tensor:
        mean = rearrange(self.audio_vae.encode(self.mel(wave)).mean, "b c n -> b n c")
        return (mean - self.audio_stats.mean) / self.audio_stats.std

    def _vocode(self, latents: Tensor) -> Tensor:
        mel = self.decode_mel(latents)
        return self.vocoder(mel) * silence_gate(mel, self.mel.config.hop, self.mel.config.log)

    def _batched(self, step: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        return torch.cat([step(part.to(self.device)) for part in x.split(self.batch)])


def _load_lazily(module: nn.Module, folder: Path, device: torch.device | str, stem: str) -> LatentStats:
    """Give a VAE of the meta device its weights, file by file; returns its latents' statistics."""
    found = load_onto(module, folder, device, torch.float32, stem=stem, apart=(MEAN, STD))
    if found.keys() != {MEAN, STD}:
        raise UnisonError(f"{folder}/{stem}.safetensors lacks {MEAN} or {STD}: export the codec again")
    stats = LatentStats(0).to(device)
    stats.mean, stats.std = found[MEAN].float(), found[STD].float()
    return stats


def load_part(module: nn.Module, folder: Path, stem: str, stats: LatentStats | None = None) -> LatentStats:
    """Load `stem` into `module` strictly; returns its latents' statistics (or `stats` untouched where it has none)."""
    tensors = {key: tensor.float() for key, tensor in read_tensors(folder, stem).items()}
    found = stats or LatentStats(0)
    if stats is not None:
        if MEAN not in tensors or STD not in tensors:
            raise UnisonError(f"{folder}/{stem}.safetensors lacks {MEAN} or {STD}: export the codec again")
        found.mean, found.std = tensors.pop(MEAN), tensors.pop(STD)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise UnisonError(f"{folder}/{stem}.safetensors does not fit its preset: {error}") from error
    return found


def save_part(
    module: nn.Module, folder: Path, stem: str, stats: LatentStats | None, dtype: torch.dtype = torch.bfloat16
) -> None:
    """Write a codec's tensors in `dtype`, and its latents' statistics in float32, as `stem`.safetensors."""
    tensors = {key: tensor.to(dtype) for key, tensor in module.state_dict().items()}
    if stats is not None:
        tensors |= {MEAN: stats.mean.float(), STD: stats.std.float()}
    write_tensors(folder, tensors, stem)
