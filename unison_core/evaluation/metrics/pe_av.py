"""AV: do picture and sound mean the same? Cosine of Perception Encoder AV's embeddings, in place of ImageBind's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from unison_core.evaluation.feature import Feature, Model, Weights
from unison_core.evaluation.item import SOUND, VIDEO, Item
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score
from unison_core.evaluation.weights import on_device

WEIGHTS = Weights(id="facebook/pe-av-base-16-frame", licence="Apache-2.0", size="about 2 GB",
                  patterns=("*.json", "*.txt", "*.safetensors"))  # fmt: skip
PICTURES, SIDE, RATE_HZ, HOP = 16, 336, 48000, 1920


def load(paths: Mapping[str, Path], device: torch.device) -> Any:
    """transformers' own model."""
    from transformers import PeAudioVideoModel

    return on_device(PeAudioVideoModel.from_pretrained(paths[WEIGHTS.id]), device)


def prepare(media: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures `(1, 16, 3, 336, 336)`, evenly from first to last, and sound `(1, 1, samples)` of whole hops."""
    from unison_core.evaluation.networks.pictures import HALF, pixels

    frames = media.frames()
    chosen = frames[[int(i * (len(frames) - 1) / (PICTURES - 1)) for i in range(PICTURES)]]
    wave = media.wave(SOUND).at(RATE_HZ)
    wave = np.pad(wave, (0, -len(wave) % HOP), "reflect")
    return pixels(chosen, SIDE, HALF, HALF)[None], torch.from_numpy(np.ascontiguousarray(wave))[None, None]


def infer(network: Any, prepared: tuple[torch.Tensor, torch.Tensor]) -> dict[str, np.ndarray]:
    """Embeddings of length 1."""
    pictures, wave = (x.to(network.device) for x in prepared)
    made = network(input_values=wave, pixel_values_videos=pictures)
    found = {"picture": made.video_embeds, "sound": made.audio_embeds}
    return {name: normalize(x[0].float(), dim=-1).cpu().numpy() for name, x in found.items()}


def score(item: Item, features: Features) -> Score:
    """Cosine of picture and sound."""
    found = features["pe-av"]
    return Score(values={"pe_av": float(found["picture"] @ found["sound"])})


METRIC = Metric(
    name="pe_av",
    about="cosine of picture and sound (16 pictures)",
    source="Perception Encoder AV, transformers; another scale than ImageBind's AV and IB",
    figures=(Figure(name="pe_av", about="AV, PE-AV", better=UP, digits=3),),
    needs=(VIDEO, SOUND),
    features=(
        Feature(name="pe-av", reads=(VIDEO, SOUND), prepare=prepare, infer=infer,
                model=Model(name=WEIGHTS.id, weights=(WEIGHTS,), load=load)),
    ),
    score=score,
    modules=("timm",),
)  # fmt: skip
