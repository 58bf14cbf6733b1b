"""A model folder -> modules in memory, checked before a single weight is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unison_core.codecs.codec import AUDIO_VAE, VIDEO_VAE, VOCODER, Codec
from unison_core.model.unison import Unison
from unison_core.pipelines.memory_plan import FULL, MemoryPlan
from unison_core.text.phonemes import TOKENS_FILE, PhonemeTokenizer
from unison_core.weights.checksums import verify
from unison_core.weights.from_zipvoice import read_tokens
from unison_core.weights.lora import Adapter, merge_adapters
from unison_core.weights.resolve import ModelFolder
from unison_core.weights.state import load_onto
from unison_core.weights.tensors import check_keys, shapes

if TYPE_CHECKING:  # transformers takes seconds to import
    from unison_core.text.caption_features import CaptionEncoders


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Modules on their device, in evaluation mode.

    Attributes:
        model: the joint model.
        codec: video and audio codecs.
        captions: encoders of captions, where the preset's are external.
        phonemes: the tokenizer of a model whose tokens are not the package's own.
    """

    model: Unison
    codec: Codec
    captions: "CaptionEncoders | None" = None
    phonemes: PhonemeTokenizer | None = None


def check_model(folder: ModelFolder) -> None:
    """Raise UnisonError unless every file is whole, of a format that this version reads, and fits the preset.

    Reads headers, and where the folder promises hashes the files once.
    """
    _ = folder.header  # its format
    if folder.preset.model.caption.kind == "external":
        from unison_core.text.caption_features import check_encoders

        check_encoders(folder.path)
    for part in (VIDEO_VAE, AUDIO_VAE, VOCODER):
        shapes(folder.path, part)
    with torch.device("meta"):
        model = Unison(folder.preset.model, folder.preset.timing)
    check_keys(model, shapes(folder.path), folder.path)
    verify(folder.path)


def load(
    folder: ModelFolder,
    device: torch.device,
    dtype: torch.dtype,
    plan: MemoryPlan | None = None,
    adapters: Sequence[Adapter] = (),
) -> Loaded:
    """Build the modules and read their weights, shard by shard.

    Args:
        folder: a resolved model.
        device: where the work is done.
        dtype: precision of the joint model and of the video codec; audio is decoded in float32.
        plan: whether the modules stay on the device or wait in host memory; None is the former.
        adapters: LoRA adapters that are merged into the joint model.
    """
    preset = folder.preset
    place = device if plan is None or plan.mode == FULL else torch.device("cpu")
    with torch.device("meta"):
        model = Unison(preset.model, preset.timing)
    load_onto(model, folder.path, place, dtype)
    if adapters:
        merge_adapters(model, adapters)
    codec = Codec.from_folder(folder.path, place, dtype)
    captions = None
    if preset.model.caption.kind == "external":
        from unison_core.text.caption_features import CaptionEncoders

        where = torch.device("cpu") if plan is not None and plan.captions_on_host else device
        captions = CaptionEncoders(folder.path, preset.model.caption.length, where, dtype)
    phonemes = own_phonemes(folder.path)
    return Loaded(model=model.eval().requires_grad_(False), codec=codec, captions=captions, phonemes=phonemes)


def own_phonemes(folder: Path) -> PhonemeTokenizer | None:
    """The tokenizer of a model folder that brings its own tokens; None where they are the package's."""
    table = folder / TOKENS_FILE
    return PhonemeTokenizer(read_tokens(table)) if table.is_file() else None
