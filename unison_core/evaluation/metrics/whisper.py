"""WER and CER by Whisper large-v3 of the voice alone (Unison's protocol) or of the whole sound (Harmony's)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unison_core.evaluation.feature import Feature, Model, Weights
from unison_core.evaluation.item import SOUND, TRANSCRIPT, Item
from unison_core.evaluation.registry import DOWN, Features, Figure, Metric, Score
from unison_core.evaluation.voice import VOICE
from unison_core.evaluation.weights import on_device
from unison_core.evaluation.word_scores import score_words

WEIGHTS = Weights(id="openai/whisper-large-v3", licence="Apache-2.0", size="3.1 GB",
                  patterns=("*.json", "*.txt", "model.safetensors"))  # fmt: skip
RATE_HZ, WINDOW_S = 16000, 30


def load(paths: Mapping[str, Path], device: torch.device) -> Any:
    """Model, feature extractor and tokenizer."""
    from transformers import AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration

    path = paths[WEIGHTS.id]
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    model = on_device(WhisperForConditionalGeneration.from_pretrained(path, dtype=dtype), device)
    return model, WhisperFeatureExtractor.from_pretrained(path), AutoTokenizer.from_pretrained(path)


def hear(network: Any, prepared: tuple[np.ndarray, str]) -> dict[str, np.ndarray]:
    """What is heard in a wave of 16 kHz, in windows of 30 s."""
    model, extractor, tokenizer = network
    wave, language = prepared
    words = []
    for start in range(0, len(wave), WINDOW_S * RATE_HZ):
        piece = wave[start : start + WINDOW_S * RATE_HZ]
        inputs = extractor(piece, sampling_rate=RATE_HZ, return_tensors="pt", return_attention_mask=True)
        tokens = model.generate(
            inputs.input_features.to(model.device, model.dtype), attention_mask=inputs.attention_mask.to(model.device),
            language=language, task="transcribe", do_sample=False, num_beams=1,
        )  # fmt: skip
        words.append(tokenizer.decode(tokens[0], skip_special_tokens=True).strip())
    return {"heard": np.array(" ".join(words))}


def make(name: str, suffix: str, about: str, source: str, feature: Feature, *before: Feature) -> Metric:
    """The metric on one kind of sound."""
    names = (f"wer_whisper{suffix}", f"cer_whisper{suffix}")

    def score(item: Item, features: Features) -> Score:
        assert item.transcript is not None
        return score_words(item.transcript, str(features[feature.name]["heard"]), item.language, names)

    return Metric(
        name=name, about=about, source=source, needs=(SOUND, TRANSCRIPT), features=(*before, feature), score=score,
        modules=("jiwer",),
        figures=(
            Figure(name=names[0], about=f"word error rate, Whisper large-v3, {about}", better=DOWN, pooled=True),
            Figure(name=names[1], about=f"character error rate, Whisper large-v3, {about}", better=DOWN, pooled=True),
        ),
    )  # fmt: skip


MODEL = Model(name=WEIGHTS.id, weights=(WEIGHTS,), load=load)
HEARD = Feature(
    name="heard by whisper", reads=("language",), after=VOICE, model=MODEL, infer=hear,
    prepare=lambda media: (media.earlier[VOICE.name]["wave"], media.item.language),
)  # fmt: skip

METRIC = make(
    "whisper", "", "voice alone", "Unison: voice isolated by Mel-Band RoFormer (a speech stem is taken as it is), "
    "then Whisper", HEARD, VOICE,
)  # fmt: skip
