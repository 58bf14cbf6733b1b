"""Captions to features of frozen public encoders, through transformers: umT5 for the video branch, CLIP for the audio.

    video: umT5's last hidden states of the real tokens, zero-padded to a fixed length and not masked       (Wan2.2)
    audio: CLIP's hidden states after the last norm, all 77 positions, each brought to unit length          (MMAudio)

Both conventions belong to the public weights: other padding or a mask would change what the branches compute. Each
encoder is read onto the device when a new caption comes, works for a moment and is forgotten before sampling starts:
host memory never holds more of it than the tensors on their way. The system's cache of files makes reading it again,
for the next new caption of a batch, a matter of seconds.
"""

import html
import json
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from pathlib import Path
from typing import Any

import ftfy
import torch
import torch.nn.functional as F
from torch import Tensor

from unison_core.errors import UnisonError, UsageError, one_line
from unison_core.types import CaptionFeatures

VIDEO_FOLDER, AUDIO_FOLDER = "caption_video", "caption_audio"
"""Where a model folder keeps umT5 and CLIP's text tower, as transformers reads them."""
REMEMBERED = 64
"""Captions whose features are kept: the empty one serves every clip's guidance."""


def clean(text: str) -> str:
    """The text as both public pipelines read it: encoding mended, HTML entities resolved, white space collapsed."""
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())


class UMT5Captions:
    """umT5-xxl as Wan uses it.

    Args:
        folder: transformers' files of encoder and tokenizer.
        length: tokens of the output; longer captions are cut.
        device, dtype: where it works, and in which precision.
    """

    def __init__(self, folder: Path, length: int, device: torch.device, dtype: torch.dtype) -> None:
        from transformers import UMT5EncoderModel

        self.length = length
        self.tokenizer = _tokenizer(folder)
        self.model = _load_strictly(UMT5EncoderModel, folder, device, dtype)

    def __call__(self, captions: Sequence[str]) -> Tensor:
        """Features `(B, length, d_model)`, zero behind each caption's end mark."""
        tokens = self.tokenizer(
            [clean(c) for c in captions], padding="max_length", max_length=self.length, truncation=True,
            add_special_tokens=True, return_attention_mask=True, return_tensors="pt",
        ).to(self.model.device)  # fmt: skip
        mask = tokens.attention_mask
        features = self.model(tokens.input_ids, mask).last_hidden_state
        return features * mask[..., None].to(features.dtype)


class CLIPCaptions:
    """CLIP's text tower as MMAudio uses it: hidden states, not the projected summary."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        from transformers import CLIPTextModel

        self.tokenizer = _tokenizer(folder)
        self.model = _load_strictly(CLIPTextModel, folder, device, dtype)
        self.length: int = self.model.config.max_position_embeddings

    def __call__(self, captions: Sequence[str]) -> Tensor:
        """Features `(B, 77, hidden)` of unit length."""
        rows = [self._ids(caption) for caption in captions]
        hidden = self.model(torch.tensor(rows, device=self.model.device)).last_hidden_state
        return F.normalize(hidden, dim=-1)

    def _ids(self, caption: str) -> list[int]:
        """Ids with open_clip's padding, which is 0 and is read: the tokenizer's own pad is another token."""
        ids = self.tokenizer(clean(caption).lower(), truncation=True, max_length=self.length).input_ids
        return [*ids, *[0] * (self.length - len(ids))]


class CaptionEncoders:
    """Both encoders of a model folder: in its files between captions, one at a time on the device while it works.

    Args:
        folder: a model folder whose preset's captions are external.
        length: tokens that the video branch reads.
        device: where they work.
        dtype: their precision.
    """

    def __init__(self, folder: Path, length: int, device: torch.device, dtype: torch.dtype) -> None:
        self.folder, self.length, self.device, self.dtype = folder, length, device, dtype
        self._held: tuple[UMT5Captions, CLIPCaptions] | None = None
        self._known: dict[str, CaptionFeatures] = {}

    @torch.inference_mode()
    def encode(self, captions: Sequence[str]) -> CaptionFeatures:
        """Features of captions on the CPU, one row each; what was encoded before is remembered."""
        new = [caption for caption in dict.fromkeys(captions) if caption not in self._known]
        if new:
            video, audio = self._encode(new)
            for i, caption in enumerate(new):
                row = CaptionFeatures(
                    video=video[i : i + 1], audio=audio[i : i + 1], audio_mean=audio[i : i + 1].mean(dim=1)
                )
                self._known[caption] = row
        rows = [self._known[caption] for caption in captions]
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return reduce(CaptionFeatures.stack, rows)

    def hold(self) -> None:
        """Read both encoders for good: where new captions come without end, as in `prepare`."""
        self._held = self._video(), self._audio()

    def _encode(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        if self._held is not None:
            return self._held[0](captions).cpu(), self._held[1](captions).cpu()
        features = self._video()(captions).cpu(), self._audio()(captions).cpu()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return features

    def _video(self) -> UMT5Captions:
        return UMT5Captions(self.folder / VIDEO_FOLDER, self.length, self.device, self.dtype)

    def _audio(self) -> CLIPCaptions:
        return CLIPCaptions(self.folder / AUDIO_FOLDER, self.device, self.dtype)


def check_encoders(folder: Path) -> None:
    """Raise UnisonError unless a model folder holds both encoders."""
    for name in (VIDEO_FOLDER, AUDIO_FOLDER):
        if not (folder / name / "config.json").is_file():
            raise UnisonError(
                f"{folder} holds no caption encoder {name}: its preset reads captions through umT5 and CLIP; make the "
                "folder with `unison train init`, or copy the encoders of the model that it was trained from"
            )


@cache
def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def check_length(folder: Path, captions: Mapping[str, str], length: int) -> None:
    """Raise UsageError for a caption, by what it is called, that umT5 would not read to its end; needs no weights."""
    for name, caption in captions.items():
        over = len(_tokenizer(folder / VIDEO_FOLDER)(clean(caption)).input_ids) - length
        if over > 0:
            raise UsageError(f"the {name} is {over} tokens longer than the {length} that umT5 reads: shorten it")


def unheard_tokens(folder: Path, caption: str) -> int:
    """Tokens at the end of a caption that CLIP, and so the audio branch, does not read; needs no weights."""
    config = json.loads((folder / AUDIO_FOLDER / "config.json").read_text(encoding="utf-8"))
    count = len(_tokenizer(folder / AUDIO_FOLDER)(clean(caption).lower()).input_ids)
    return max(0, count - int(config["max_position_embeddings"]))


def _hush() -> None:
    """No bars of transformers' own, which know nothing of `--quiet`; those of downloads stay as they are."""
    from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging

    downloads = not are_progress_bars_disabled()
    logging.disable_progress_bar()
    if downloads:
        enable_progress_bars()


@torch.inference_mode(False)
def _load_strictly(kind: Any, folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """A transformers model with every tensor read from the folder straight onto the device.

    Raises:
        UnisonError: a tensor is missing or foreign, or a file is bad.
    """
    _hush()
    try:
        model, report = kind.from_pretrained(
            folder, dtype=dtype, device_map={"": device}, output_loading_info=True, local_files_only=True,
            use_safetensors=True,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError) as error:
        raise UnisonError(f"caption encoder {folder} cannot be loaded: {one_line(error, 300)}") from error
    wrong = [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]
    if wrong:
        raise UnisonError(f"caption encoder {folder} does not fit its config.json: {len(wrong)} tensors, {wrong[0]}")
    return model.eval().requires_grad_(False)
