"""A model folder -> modules in memory, checked before a single weight is read."""

from dataclasses import dataclass

import torch

from unison_core.codecs.codec import AUDIO_VAE, VIDEO_VAE, VOCODER, Codec
from unison_core.errors import UnisonError
from unison_core.model.unison import Unison
from unison_core.weights.resolve import ModelFolder
from unison_core.weights.state import load_model_state
from unison_core.weights.tensors import check_keys, shapes


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Modules on their device, in evaluation mode.

    Attributes:
        model: the joint model.
        codec: video and audio codecs.
    """

    model: Unison
    codec: Codec


def check_model(folder: ModelFolder) -> None:
    """Raise UnisonError unless every file is whole and fits the preset; reads headers only."""
    if folder.preset.model.caption.kind == "external":
        raise UnisonError(
            f"{folder.name}: captions of preset {folder.preset.name} come from umT5 and CLIP, which this command "
            "does not load yet"
        )
    for part in (VIDEO_VAE, AUDIO_VAE, VOCODER):
        shapes(folder.path, part)
    with torch.device("meta"):
        model = Unison(folder.preset.model, folder.preset.timing)
    check_keys(model, shapes(folder.path), folder.path)


def load(folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> Loaded:
    """Build the modules and read their weights.

    Args:
        folder: a resolved model.
        device: where the modules go.
        dtype: precision of the joint model and of the video codec; audio is decoded in float32.
    """
    preset = folder.preset
    model = Unison(preset.model, preset.timing)
    load_model_state(model, folder.path)
    codec = Codec.from_folder(folder.path, device, dtype)
    model.to(device=device, dtype=dtype).eval().requires_grad_(False)
    return Loaded(model=model, codec=codec)
