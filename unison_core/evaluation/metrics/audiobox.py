"""PQ, PC, CE, CU: what Audiobox-Aesthetics thinks of the sound."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unison_core.evaluation.feature import Feature, Model, Weights
from unison_core.evaluation.item import SOUND, Item
from unison_core.evaluation.registry import NEITHER, UP, Features, Figure, Metric, Score
from unison_core.evaluation.weights import load_state, single_file

WEIGHTS = Weights(id="facebook/audiobox-aesthetics", licence="CC-BY-4.0", size="420 MB",
                  patterns=("*.json", "model.safetensors"))  # fmt: skip
ABOUT = {
    "pq": "production quality",
    "pc": "production complexity",
    "ce": "content enjoyment",
    "cu": "content usefulness",
}


def load(paths: Mapping[str, Path], device: torch.device) -> Any:
    """The network, in the sizes of its `config.json`."""
    from unison_core.evaluation.networks.audiobox import AudioboxAesthetics, AudioboxConfig, renamed

    stored = json.loads(single_file(paths, WEIGHTS, "config.json").read_text(encoding="utf-8"))
    known = {field.name for field in fields(AudioboxConfig)}
    network = AudioboxAesthetics(AudioboxConfig(**{name: value for name, value in stored.items() if name in known}))
    load_state(network, single_file(paths, WEIGHTS, "*.safetensors"), renamed)
    return network.to(device).eval()


def prepare(media: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Windows `(W, 160000)` of 10 s, how many of their samples are sound, and their weights."""
    from unison_core.evaluation.networks.audiobox import RATE_HZ, WINDOW_S, windows

    wave = torch.from_numpy(np.ascontiguousarray(media.wave(SOUND).at(RATE_HZ)))
    parts = windows(len(wave))
    padded = torch.stack([torch.nn.functional.pad(wave[a:b], (0, WINDOW_S * RATE_HZ - (b - a))) for a, b, _ in parts])
    return padded, torch.tensor([b - a for a, b, _ in parts]), torch.tensor([weight for *_, weight in parts])


def infer(network: Any, prepared: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> dict[str, np.ndarray]:
    """A score a window and axis, and the windows' weights."""
    waves, lengths, weights = prepared
    device = next(network.parameters()).device
    scores = network(waves.to(device), lengths.to(device))
    found = {axis.lower(): value.float().cpu().numpy() for axis, value in scores.items()}
    return found | {"weights": weights.numpy()}


def score(item: Item, features: Features) -> Score:
    """Means over windows, weighted by how much of each is sound."""
    found = features["audiobox"]
    return Score(values={axis: float(np.average(found[axis], weights=found["weights"])) for axis in ABOUT})


METRIC = Metric(
    name="audiobox",
    about="Audiobox-Aesthetics of the whole sound, 10 s windows weighted by length",
    source="Tjandra et al., 2025; float32 (the public tool computes in bfloat16)",
    figures=tuple(
        Figure(name=axis, about=about, better=NEITHER if axis == "pc" else UP) for axis, about in ABOUT.items()
    ),
    needs=(SOUND,),
    features=(
        Feature(name="audiobox", reads=(SOUND,), prepare=prepare, infer=infer,
                model=Model(name=WEIGHTS.id, weights=(WEIGHTS,), load=load)),
    ),
    score=score,
)  # fmt: skip
