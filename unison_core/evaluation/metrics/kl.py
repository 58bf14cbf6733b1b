"""KL: do the classes that are heard agree with the reference's? And IS: are they sure and various? By AST on AudioSet.

    KL = sum_c p_reference(c) log(p_reference(c) / p(c)),    IS = exp(mean over clips of KL(p || mean p))

p is the softmax of the logits of 527 classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax

from unison_core.evaluation.feature import Feature, Model, Weights
from unison_core.evaluation.item import REFERENCE, SOUND, Item
from unison_core.evaluation.registry import DOWN, UP, Features, Figure, Metric, Score, SetScore
from unison_core.evaluation.weights import on_device

WEIGHTS = Weights(id="MIT/ast-finetuned-audioset-10-10-0.4593", licence="BSD-3-Clause", size="350 MB",
                  patterns=("*.json", "*.safetensors"))  # fmt: skip
RATE_HZ = 16000


def load(paths: Mapping[str, Path], device: torch.device) -> Any:
    """transformers' own model and feature extractor."""
    from transformers import ASTFeatureExtractor, ASTForAudioClassification

    path = paths[WEIGHTS.id]
    model = on_device(ASTForAudioClassification.from_pretrained(path), device)
    return model, ASTFeatureExtractor.from_pretrained(path)


def infer(network: Any, wave: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of the classes; the first 10.24 s count."""
    model, extractor = network
    inputs = extractor(wave, sampling_rate=RATE_HZ, return_tensors="pt")
    return {"logits": model(inputs.input_values.to(model.device)).logits[0].float().cpu().numpy()}


CLASSES = Feature(
    name="audioset classes", reads=(SOUND,), infer=infer, prepare=lambda media: media.wave(SOUND).at(RATE_HZ),
    model=Model(name=WEIGHTS.id, weights=(WEIGHTS,), load=load),
)  # fmt: skip


def divergence(true: np.ndarray, other: np.ndarray) -> float:
    """KL of the softmax of logits `(C,)`."""
    p, q = log_softmax(true.astype(np.float64)), log_softmax(other.astype(np.float64))
    return float((np.exp(p) * (p - q)).sum())


def score(item: Item, features: Features) -> Score:
    """KL from the reference's classes to the clip's."""
    own, true = (features[prefix + CLASSES.name]["logits"] for prefix in ("", REFERENCE))
    return Score(values={"kl_ast": divergence(true, own)})


def over_set(items: Sequence[Item], features: Sequence[Features]) -> dict[str, SetScore]:
    """IS of all clips."""
    logits = np.stack([f[CLASSES.name]["logits"] for f in features]).astype(np.float64)
    p = log_softmax(logits, axis=1)
    mean = np.log(np.exp(p).mean(axis=0))
    value = float(np.exp((np.exp(p) * (p - mean)).sum(axis=1).mean()))
    return {"is_ast": SetScore(value=value, count=len(items))}


METRIC = Metric(
    name="kl",
    about="divergence of AudioSet classes from the reference's, and inception score",
    source="as AudioLDM's and MMAudio's evaluations, by AST (theirs: PANNs, PaSST)",
    figures=(Figure(name="kl_ast", about="KL over AST classes", better=DOWN),),
    set_figures=(Figure(name="is_ast", about="IS over AST classes", better=UP),),
    needs=(SOUND, REFERENCE + SOUND),
    features=(CLASSES,),
    reference_features=(CLASSES,),
    score=score,
    over_set=over_set,
)
