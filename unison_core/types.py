"""Vocabulary of the project: streams, prompts, clips and latents, as frozen data.

One noise level is used everywhere: sigma = 0 is clean data, sigma = 1 is pure noise,

    x = (1 - sigma) * x0 + sigma * eps,    v = eps - x0,    x0 = x - sigma * v.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

VIDEO, SPEECH, SFX = "video", "speech", "sfx"
STREAMS = (VIDEO, SPEECH, SFX)
AUDIO_STREAMS = (SPEECH, SFX)

Latents = Mapping[str, Tensor]
"""Latents by stream: video `(B, C, T, H, W)`, speech and sfx `(B, N, C)`."""

Sigmas = Mapping[str, Tensor]
"""Noise levels by stream: video `(B, T)` (per latent frame), speech and sfx `(B,)`."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a user asks for.

    Attributes:
        caption: who is seen, what happens, what sounds. May be empty.
        transcript: the words that are spoken. Empty means that nobody speaks.
        span_s: (start, end) of the speech in seconds; None lets the transcript's predicted length decide.
    """

    caption: str = ""
    transcript: str = ""
    span_s: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Decoded media of one clip.

    Attributes:
        frames: uint8 RGB `(F, H, W, 3)`, or None where there is no picture.
        fps: frames per second.
        stems: float32 mono waveforms `(samples,)` by audio stream, nominal range [-1, 1], all of one length.
        rate_hz: sample rate of the stems.
    """

    frames: np.ndarray | None
    fps: float
    stems: Mapping[str, np.ndarray]
    rate_hz: int
