"""All arithmetic between seconds, frames, latent frames, samples and audio latents.

Video latent 0 covers frame 0 and is centred at 0.5/fps seconds; latent i >= 1 covers frames 4i-3 .. 4i and is centred
at (4i-1)/fps. An audio latent n is centred at (n+0.5)/rate. Pixel frames come as 4k+1.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Rates of one preset.

    Attributes:
        fps: pixel frames per second.
        temporal_stride: pixel frames per video latent frame, after the first.
        sample_rate_hz: audio samples per second.
        samples_per_latent: audio samples per audio latent (mel hop x mel frames per latent).
        min_s, max_s: shortest and longest clip, in seconds.
    """

    fps: float
    temporal_stride: int = 4
    sample_rate_hz: int
    samples_per_latent: int
    min_s: float
    max_s: float

    def __post_init__(self) -> None:
        if not 0 < self.min_s <= self.max_s:
            raise ValueError(f"min_s={self.min_s} must be positive and at most max_s={self.max_s}")

    @property
    def latent_rate_hz(self) -> float:
        """Audio latents per second."""
        return self.sample_rate_hz / self.samples_per_latent

    def frames(self, duration_s: float) -> int:
        """Number of pixel frames (4k+1) whose length is nearest to `duration_s`."""
        k = round((duration_s * self.fps - 1) / self.temporal_stride)
        return self.temporal_stride * max(k, 0) + 1

    def shown_frames(self, duration_s: float) -> int:
        """Number of frames that a clip of `duration_s` shows: the duration, honoured to the frame."""
        return max(1, round(duration_s * self.fps))

    def frames_covering(self, duration_s: float) -> int:
        """Smallest 4k+1 that has at least `shown_frames(duration_s)` frames."""
        return self.temporal_stride * math.ceil((self.shown_frames(duration_s) - 1) / self.temporal_stride) + 1

    def video_latents(self, frames: int) -> int:
        """Latent frames of `frames` pixel frames; raises ValueError unless frames = 4k+1."""
        if (frames - 1) % self.temporal_stride:
            raise ValueError(f"frames={frames} is not {self.temporal_stride}k+1")
        return (frames - 1) // self.temporal_stride + 1

    def samples(self, duration_s: float) -> int:
        """Audio samples of `duration_s` seconds."""
        return round(duration_s * self.sample_rate_hz)

    def audio_latents(self, frames: int) -> int:
        """Audio latents that cover `frames` pixel frames."""
        return math.ceil(round(frames / self.fps * self.latent_rate_hz, 6))

    def video_latent_times_s(self, count: int) -> Tensor:
        """Centres `(count,)` of video latent frames, in seconds."""
        i = torch.arange(count, dtype=torch.float64)
        return torch.where(i == 0, 0.5, self.temporal_stride * i - (self.temporal_stride - 2) / 2) / self.fps

    def audio_latent_times_s(self, count: int) -> Tensor:
        """Centres `(count,)` of audio latents, in seconds."""
        return (torch.arange(count, dtype=torch.float64) + 0.5) / self.latent_rate_hz
