"""Names the voice of a speech stem: a linear classifier of cepstral statistics.

    P(voice | stem) = softmax(W f + b),    f = mean and deviation of cepstra 1 to 19, and deviation of their slopes

over the frames within 30 dB of the loudest. It is fitted (linear discriminant analysis with shrinkage) on corpus
recordings of the train split alone, each also with a random spectral tilt. Accuracy is a share, higher is better.
"""

from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from scipy.special import softmax

from unison_core.corpus.scene import VOICES
from unison_core.evaluation.features import cepstra, log_mel

WEIGHTS = Path(__file__).with_name("voices.safetensors")
ACTIVE_DB = 30.0
SILENT_DB = -80.0


def voice_features(mel: np.ndarray) -> np.ndarray | None:
    """Statistics `(57,)` of log-mel frames `(N, 40)` in dB; None where fewer than ten frames sound."""
    level = mel.max(axis=1)
    active = (level > level.max(initial=SILENT_DB) - ACTIVE_DB) & (level > SILENT_DB)
    if active.sum() < 10:
        return None
    shape = cepstra(mel)[:, 1:]
    slope = np.gradient(shape, axis=0)[active]
    return np.concatenate([shape[active].mean(axis=0), shape[active].std(axis=0), slope.std(axis=0)])


def name_voice(wave: np.ndarray, rate_hz: int) -> dict[str, float] | None:
    """Probability by voice of the speech stem `wave` `(samples,)`; None where nobody speaks."""
    features = voice_features(log_mel(wave, rate_hz))
    if features is None:
        return None
    weights = load()
    logits = weights["weight"] @ features + weights["bias"]
    return dict(zip(VOICES, softmax(logits).tolist(), strict=True))


@cache
def load() -> dict[str, np.ndarray]:
    """The fitted `weight` (4, 57) and `bias` (4,)."""
    return load_file(WEIGHTS)
