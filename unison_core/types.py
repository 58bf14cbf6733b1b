"""Vocabulary of the project: streams, prompts, clips and latents, as frozen data.

One noise level is used everywhere: sigma = 0 is clean data, sigma = 1 is pure noise,

    x = (1 - sigma) * x0 + sigma * eps,    v = eps - x0,    x0 = x - sigma * v.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

VIDEO, SPEECH, SFX = "video", "speech", "sfx"
STREAMS = (VIDEO, SPEECH, SFX)
AUDIO_STREAMS = (SPEECH, SFX)
MIX = "mix"
"""The only audio stream of a model without separate ones, which is Unison's ablation of harmonisation."""

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


@dataclass(frozen=True, kw_only=True)
class TextInputs:
    """Tokenised prompts, one row per sample: what the model's text side takes.

    Attributes:
        caption_ids: int64 `(B, L)`, 0 where padded.
        phoneme_ids: int64 `(B, S)`, 0 where padded.
        phoneme_mask: bool `(B, S)`, True on phonemes; a row without any says nothing.
        phoneme_weights: float32 `(B, S)`, mean durations in seconds.
        span_s: float32 `(B, 2)`, start and end of the speech in seconds.
        dropped: bool `(B,)`, True where the transcript is withheld (guidance), which differs from saying nothing.
    """

    caption_ids: Tensor
    phoneme_ids: Tensor
    phoneme_mask: Tensor
    phoneme_weights: Tensor
    span_s: Tensor
    dropped: Tensor

    def __len__(self) -> int:
        return len(self.caption_ids)

    def map(self, function: Callable[[Tensor], Tensor]) -> "TextInputs":
        """Apply `function` to every field."""
        return TextInputs(**{f.name: function(getattr(self, f.name)) for f in fields(self)})

    def to(self, device: str) -> "TextInputs":
        """Copy to a device."""
        return self.map(lambda t: t.to(device, non_blocking=True))

    def without(self, caption: Tensor, transcript: Tensor) -> "TextInputs":
        """Withhold the caption and the transcript of the rows that the bool masks `(B,)` mark."""
        return replace(
            self,
            caption_ids=torch.where(caption[:, None], 0, self.caption_ids),
            phoneme_mask=self.phoneme_mask & ~transcript[:, None],
            dropped=self.dropped | transcript,
        )

    def stack(self, other: "TextInputs") -> "TextInputs":
        """Rows of `self`, then rows of `other`; the shorter one is padded."""

        def join(a: Tensor, b: Tensor) -> Tensor:
            if a.dim() == 1:
                return torch.cat((a, b))
            width = max(a.shape[1], b.shape[1])
            return torch.cat([pad(x, (0, width - x.shape[1])) for x in (a, b)])

        return TextInputs(**{f.name: join(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)})
