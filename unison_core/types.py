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
class CaptionFeatures:
    """Caption features from frozen encoders (umT5 and CLIP text), for presets whose captions are external.

    Attributes:
        video: `(B, L, text_dim)` for the video branch, zero-padded.
        audio: `(B, L', text_dim')` for the audio branch.
        audio_mean: `(B, text_dim')` their mean over tokens, c_a.
    """

    video: Tensor
    audio: Tensor
    audio_mean: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> "CaptionFeatures":
        """Apply `function` to every field."""
        return CaptionFeatures(**{f.name: function(getattr(self, f.name)) for f in fields(self)})

    def where(self, mask: Tensor, other: "CaptionFeatures") -> "CaptionFeatures":
        """Own rows where the bool `mask` `(B,)` is True, the one row of `other` elsewhere."""
        return CaptionFeatures(
            **{f.name: torch.where(mask.view(-1, *[1] * (getattr(self, f.name).dim() - 1)), getattr(self, f.name),
                                   getattr(other, f.name)) for f in fields(self)}
        )  # fmt: skip

    def stack(self, other: "CaptionFeatures") -> "CaptionFeatures":
        """Rows of `self`, then rows of `other`."""
        return CaptionFeatures(
            **{f.name: torch.cat((getattr(self, f.name), getattr(other, f.name))) for f in fields(self)}
        )


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
        captions: features of frozen encoders, where the preset's captions are external; `caption_ids` is then unread.
    """

    caption_ids: Tensor
    phoneme_ids: Tensor
    phoneme_mask: Tensor
    phoneme_weights: Tensor
    span_s: Tensor
    dropped: Tensor
    captions: CaptionFeatures | None = None

    def __len__(self) -> int:
        return len(self.caption_ids)

    def map(self, function: Callable[[Tensor], Tensor]) -> "TextInputs":
        """Apply `function` to every tensor."""
        captions = self.captions and self.captions.map(function)
        return TextInputs(**{name: function(x) for name, x in self._tensors().items()}, captions=captions)

    def to(self, device: str) -> "TextInputs":
        """Copy to a device."""
        return self.map(lambda t: t.to(device, non_blocking=True))

    def without(self, caption: Tensor, transcript: Tensor, unsaid: CaptionFeatures | None = None) -> "TextInputs":
        """Withhold the caption and the transcript of the rows that the bool masks `(B,)` mark.

        Features of frozen encoders have no withheld state: theirs is `unsaid`, one row, what the encoders say of an
        empty caption.
        """
        captions = self.captions
        if captions is not None and unsaid is not None:
            captions = captions.where(~caption, unsaid)
        elif captions is not None and caption.any():
            raise ValueError("a caption with features is withheld by the features of an empty one")
        return replace(
            self,
            captions=captions,
            caption_ids=torch.where(caption[:, None], 0, self.caption_ids),
            phoneme_mask=self.phoneme_mask & ~transcript[:, None],
            dropped=self.dropped | transcript,
        )

    def thinned(self, keep: Tensor) -> "TextInputs":
        """Leave out the caption's tokens that the bool mask `(B, L)` does not mark; the others move together."""
        keep = keep & (self.caption_ids > 0)
        order = (~keep).to(torch.int8).argsort(dim=1, stable=True)
        return replace(self, caption_ids=torch.where(keep, self.caption_ids, 0).gather(1, order))

    def stack(self, other: "TextInputs") -> "TextInputs":
        """Rows of `self`, then rows of `other`; the shorter one is padded."""

        def join(a: Tensor, b: Tensor) -> Tensor:
            if a.dim() == 1:
                return torch.cat((a, b))
            width = max(a.shape[1], b.shape[1])
            return torch.cat([pad(x, (0, width - x.shape[1])) for x in (a, b)])

        if (self.captions is None) != (other.captions is None):
            raise ValueError("prompts with caption features do not stack with prompts without them")
        captions = self.captions and self.captions.stack(other.captions)  # type: ignore[arg-type]  # both or none
        theirs = other._tensors()
        return TextInputs(**{name: join(x, theirs[name]) for name, x in self._tensors().items()}, captions=captions)

    def _tensors(self) -> dict[str, Tensor]:
        """The tokenised side, by field."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "captions"}
