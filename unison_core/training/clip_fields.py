"""A clip's tensors as training batches them: latents, padded text, and who is heard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unison_core.config import Preset
from unison_core.errors import UsageError
from unison_core.training.latent_checks import check_clip
from unison_core.training.objective import LatentBatch
from unison_core.training.shard_format import (
    CAPTION_AUDIO,
    CAPTION_IDS,
    CAPTION_VIDEO,
    FRAMES,
    PHONEME_IDS,
    PHONEME_WEIGHTS,
    SPAN,
    STATIC,
    VOICE,
)
from unison_core.types import CaptionFeatures, TextInputs

Arrays = dict[str, np.ndarray]
"""A clip's row of every field."""


@dataclass(frozen=True, kw_only=True)
class FieldSettings:
    """What is taken from a clip.

    Attributes:
        streams: which latents.
        caption_length, phoneme_length: padded token counts.
        external: captions are features of frozen encoders in place of tokens.
        preset: what shapes are checked against; None checks none.
        where: for messages.
    """

    streams: tuple[str, ...]
    caption_length: int
    phoneme_length: int = 96
    external: bool = False
    preset: Preset | None = None
    where: str = ""

    def fields(self, key: str, tensors: Mapping[str, np.ndarray]) -> Arrays:
        """One clip's row of every field. Raises UsageError where it does not fit."""
        missing = [s for s in self.streams if s not in tensors]
        if self.preset is not None:
            check_clip(key, self.where, tensors, int(tensors[FRAMES]), self.streams, self.preset)
        elif missing:
            raise UsageError(f"sample {key} in {self.where} has no {missing[0]} latents")
        return {
            **{s: tensors[s] for s in self.streams},
            **self._captions(key, tensors),
            PHONEME_IDS: padded(tensors[PHONEME_IDS], self.phoneme_length, np.int64),
            PHONEME_WEIGHTS: padded(tensors[PHONEME_WEIGHTS], self.phoneme_length, np.float32),
            **{name: tensors[name] for name in (SPAN, STATIC, VOICE)},
        }

    def _captions(self, key: str, tensors: Mapping[str, np.ndarray]) -> Arrays:
        if not self.external:
            return {CAPTION_IDS: padded(tensors[CAPTION_IDS], self.caption_length, np.int64)}
        if CAPTION_VIDEO not in tensors:
            raise UsageError(
                f"clip {key} in {self.where} has no caption features, which this preset takes: prepare with a model "
                "folder that holds its caption encoders"
            )
        return {CAPTION_VIDEO: self._lengthened(tensors[CAPTION_VIDEO]), CAPTION_AUDIO: tensors[CAPTION_AUDIO]}

    def _lengthened(self, features: np.ndarray) -> np.ndarray:
        return np.pad(features, ((0, self.caption_length - len(features)), (0, 0)))

    def unsaid(self, tensors: Mapping[str, np.ndarray], device: torch.device) -> CaptionFeatures:
        """What the encoders say of an empty caption, one row."""
        video, audio = self._lengthened(tensors[CAPTION_VIDEO]), tensors[CAPTION_AUDIO]
        return _features(torch.from_numpy(video)[None], torch.from_numpy(audio)[None], device)


def make_batch(
    rows: Mapping[str, Tensor], frames: int, streams: Sequence[str], device: torch.device,
    *, reference: Tensor | None, unsaid: CaptionFeatures | None,
) -> LatentBatch:  # fmt: skip
    """A batch of rows `(B, ...)` by field."""
    count = len(rows[STATIC])
    rows = {name: x.to(device, non_blocking=True) for name, x in rows.items()}
    captions, ids = None, rows.get(CAPTION_IDS)
    if ids is None:
        captions = _features(rows[CAPTION_VIDEO], rows[CAPTION_AUDIO], device)
        ids = torch.zeros(count, rows[CAPTION_VIDEO].shape[1], dtype=torch.long, device=device)
    text = TextInputs(
        caption_ids=ids,
        phoneme_ids=rows[PHONEME_IDS],
        phoneme_mask=rows[PHONEME_IDS] > 0,
        phoneme_weights=rows[PHONEME_WEIGHTS],
        span_s=rows[SPAN],
        dropped=torch.zeros(count, dtype=torch.bool, device=device),
        captions=captions,
    )
    return LatentBatch(
        latents={s: rows[s].float() for s in streams}, text=text, frames=frames, static=rows[STATIC],
        reference=None if reference is None else reference.to(device).float(), unsaid=unsaid,
    )  # fmt: skip


def _features(video: Tensor, audio: Tensor, device: torch.device) -> CaptionFeatures:
    heard = audio.to(device).float()
    return CaptionFeatures(video=video.to(device).float(), audio=heard, audio_mean=heard.mean(dim=1))


def padded(values: np.ndarray, length: int, dtype: type) -> np.ndarray:
    """Values, continued by zeros; raises UsageError where there are more than `length`."""
    if len(values) > length:
        raise UsageError(f"a prompt has {len(values)} tokens, more than the {length} that training pads to")
    row: np.ndarray = np.zeros(length, dtype)
    row[: len(values)] = values
    return row
