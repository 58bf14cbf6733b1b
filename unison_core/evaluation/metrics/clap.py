"""TA: does the sound fit the caption? Cosine of CLAP's embeddings; LAION's unfused variant."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from unison_core.evaluation.feature import Feature, Model, Weights
from unison_core.evaluation.item import CAPTION, SOUND, Item
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score
from unison_core.evaluation.weights import on_device

WEIGHTS = Weights(id="laion/clap-htsat-unfused", licence="Apache-2.0", size="620 MB",
                  patterns=("*.json", "*.txt", "*.safetensors"))  # fmt: skip
RATE_HZ, WINDOW_S = 48000, 10


def load(paths: Mapping[str, Path], device: torch.device) -> Any:
    """Model, feature extractor and tokenizer."""
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    path = paths[WEIGHTS.id]
    model = on_device(ClapModel.from_pretrained(path), device)
    return model, ClapFeatureExtractor.from_pretrained(path), AutoTokenizer.from_pretrained(path)


MODEL = Model(name=WEIGHTS.id, weights=(WEIGHTS,), load=load)


def windows(media: Any) -> list[np.ndarray]:
    """The sound at 48 kHz in pieces of at most 10 s; the last piece ends where the sound does."""
    wave, size = media.wave(SOUND).at(RATE_HZ), WINDOW_S * RATE_HZ
    starts = range(0, max(len(wave) - size, 0) + 1, size) if len(wave) > size else [0]
    pieces = [wave[start : start + size] for start in starts]
    return pieces if len(wave) <= size or len(wave) % size == 0 else [*pieces, wave[-size:]]


def hear(network: Any, pieces: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The sound's embedding of length 1, the mean over pieces."""
    model, extractor, _ = network
    inputs = extractor(pieces, sampling_rate=RATE_HZ, return_tensors="pt")
    found = tensor_of(model.get_audio_features(input_features=inputs.input_features.to(model.device)))
    return {"embedding": normalize(normalize(found, dim=-1).mean(dim=0), dim=-1).float().cpu().numpy()}


def read(network: Any, text: str) -> dict[str, np.ndarray]:
    """A text's embedding of length 1."""
    model, _, tokenizer = network
    inputs = tokenizer([text], padding=True, truncation=True, return_tensors="pt")
    ids, mask = (inputs[name].to(model.device) for name in ("input_ids", "attention_mask"))
    found = tensor_of(model.get_text_features(input_ids=ids, attention_mask=mask))
    return {"embedding": normalize(found[0], dim=-1).float().cpu().numpy()}


def tensor_of(output: Any) -> torch.Tensor:
    """The embeddings: transformers 5 wraps them, 4 does not."""
    return getattr(output, "pooler_output", output)


SOUND_FEATURE = Feature(name="clap sound", reads=(SOUND,), prepare=windows, model=MODEL, infer=hear)
TEXT_FEATURE = Feature(
    name="clap text", reads=(CAPTION, "audio_caption"), model=MODEL, infer=read,
    prepare=lambda media: media.item.audio_caption or media.item.caption,
)  # fmt: skip


def score(item: Item, features: Features) -> Score:
    """Cosine of sound and text."""
    return Score(values={"clap": float(features["clap sound"]["embedding"] @ features["clap text"]["embedding"])})


METRIC = Metric(
    name="clap",
    about="cosine of the sound and its caption (the audio caption, if there is one)",
    source="LAION-CLAP, htsat-unfused; Unison cites Microsoft's CLAP, whose scale differs",
    figures=(Figure(name="clap", about="TA, LAION-CLAP", better=UP, digits=3),),
    needs=(SOUND, CAPTION),
    features=(SOUND_FEATURE, TEXT_FEATURE),
    score=score,
)
