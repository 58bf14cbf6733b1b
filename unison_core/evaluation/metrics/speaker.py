"""Speaker similarity: does the voice sound like the reference voice? By WavLM x-vectors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from unison_core.evaluation.feature import Feature, Model, Weights
from unison_core.evaluation.item import REFERENCE, SOUND, SPEECH, TRANSCRIPT, VOICE, Item
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score, Unscored
from unison_core.evaluation.weights import on_device
from unison_core.media.loudness import SILENT_LUFS, lufs

WEIGHTS = Weights(id="microsoft/wavlm-base-plus-sv", licence="CC-BY-SA-3.0", size="400 MB",
                  patterns=("*.json", "*.safetensors", "pytorch_model.bin"))  # fmt: skip
RATE_HZ, LEAST_S = 16000, 0.5


def load(paths: Mapping[str, Path], device: torch.device) -> Any:
    """transformers' own model."""
    from transformers import WavLMForXVector

    return on_device(WavLMForXVector.from_pretrained(paths[WEIGHTS.id]), device)


def prepare(media: Any) -> torch.Tensor:
    """The voice at 16 kHz, of zero mean and variance 1; raises Unscored for silence and for very short sounds."""
    wave = media.wave(VOICE) if VOICE in media.item.files else media.voice
    if lufs(wave.mono, wave.rate_hz) < SILENT_LUFS:
        raise Unscored("the voice is silent")
    samples = wave.at(RATE_HZ)
    if len(samples) < LEAST_S * RATE_HZ:
        raise Unscored(f"shorter than {LEAST_S:g} s")
    return torch.from_numpy((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7))[None]


def infer(network: Any, wave: torch.Tensor) -> dict[str, np.ndarray]:
    """The voice's embedding of length 1."""
    return {"embedding": normalize(network(wave.to(network.device)).embeddings[0].float(), dim=-1).cpu().numpy()}


VOICES = Feature(
    name="x-vector", reads=(VOICE, SPEECH, SOUND), prepare=prepare, infer=infer,
    model=Model(name=WEIGHTS.id, weights=(WEIGHTS,), load=load),
)  # fmt: skip


def score(item: Item, features: Features) -> Score:
    """Cosine of the two voices."""
    own, true = (features[prefix + VOICES.name]["embedding"] for prefix in ("", REFERENCE))
    return Score(values={"speaker": float(own @ true)})


METRIC = Metric(
    name="speaker",
    about="cosine of the voice and the reference voice",
    source="WavLM-base-plus for speaker verification (Chen et al., 2022)",
    figures=(Figure(name="speaker", about="speaker similarity", better=UP),),
    needs=(SOUND, TRANSCRIPT, REFERENCE + VOICE),
    features=(VOICES,),
    reference_features=(VOICES,),
    score=score,
)
