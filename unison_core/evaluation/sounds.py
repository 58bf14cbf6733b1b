"""Names what sounds in an effects stem: one action (or none) and one ambience (or none), which may sound together.

    P(action | stem), P(ambience | stem) = softmax of two heads on one small network over log-mel frames

The network is fitted on corpus recordings of the train split alone, with varied gain, tilt, noise floor and cropping;
it sees levels relative to the loudest band, so gain does not matter. `fit_classifiers` writes its weights and prints
its accuracy on held-out recordings. Accuracy of the asked-for class is a share, higher is better.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from unison_core.corpus.scene import ACTIONS, AMBIENCES
from unison_core.evaluation.features import MELS, log_mel

WEIGHTS = Path(__file__).with_name("sounds.safetensors")
ACTION_CLASSES: tuple[str | None, ...] = (None, *ACTIONS)
AMBIENCE_CLASSES: tuple[str | None, ...] = (None, *AMBIENCES)
FRAMES = 410
"""Ten milliseconds each: the longest clip of nano."""
RANGE_DB = 60.0
QUIETEST_DB = -70.0
"""A stem whose loudest band stays under this is silence, not a quiet sound."""


@dataclass(frozen=True, kw_only=True)
class SoundNames:
    """Probabilities by class; the key None is "none of them"."""

    actions: dict[str | None, float]
    ambiences: dict[str | None, float]

    @property
    def action(self) -> str | None:
        """The most probable action."""
        return max(self.actions, key=self.actions.__getitem__)

    @property
    def ambience(self) -> str | None:
        """The most probable ambience."""
        return max(self.ambiences, key=self.ambiences.__getitem__)


class SoundClassifier(nn.Module):
    """Four convolutions over time, pooled by mean and maximum, and two heads; 0.1M parameters."""

    def __init__(self, width: int = 64, top: int = 96) -> None:
        super().__init__()
        sizes = ((MELS, width, 1), (width, width, 2), (width, top, 2), (top, top, 1))
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(i, o, 5, stride, padding=2), nn.GroupNorm(8, o), nn.GELU())
            for i, o, stride in sizes
        )
        self.actions = nn.Linear(2 * top, len(ACTION_CLASSES))
        self.ambiences = nn.Linear(2 * top, len(AMBIENCE_CLASSES))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(B, 15)` and `(B, 7)` of frames `(B, 40, N)` as `relative_mel` gives them."""
        x = frames
        for layer in self.layers:
            x = layer(x)  # (B, C, N), halved twice
        pooled = torch.cat([x.mean(dim=-1), x.amax(dim=-1)], dim=-1)
        return self.actions(pooled), self.ambiences(pooled)


def relative_mel(wave: np.ndarray, rate_hz: int) -> np.ndarray:
    """Log-mel frames `(40, N)` from 0 (60 dB under the stem's loudest band, or silence) to 3 (the loudest band).

    Silence is appended up to FRAMES, so that the network's means are over equal lengths.
    """
    mel = log_mel(wave, rate_hz).T
    top = max(float(mel.max()), QUIETEST_DB)
    relative = np.maximum(mel - top + RANGE_DB, 0) / 20
    return np.pad(relative, ((0, 0), (0, max(0, FRAMES - relative.shape[1])))).astype(np.float32)


def name_sounds(wave: np.ndarray, rate_hz: int) -> SoundNames:
    """What sounds in the effects stem `wave` `(samples,)`, by the weights in the package."""
    with torch.inference_mode():
        logits = load()(torch.from_numpy(relative_mel(wave, rate_hz))[None])
    actions, ambiences = (head[0].softmax(dim=-1).tolist() for head in logits)
    return SoundNames(
        actions=dict(zip(ACTION_CLASSES, actions, strict=True)),
        ambiences=dict(zip(AMBIENCE_CLASSES, ambiences, strict=True)),
    )


@cache
def load() -> SoundClassifier:
    """The fitted network, in float32."""
    model = SoundClassifier().eval()
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(WEIGHTS).items()})
    return model
