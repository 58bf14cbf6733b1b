"""Unison's Fig. 8 for our own clips: gates of the two streams by layer, by noise level, by what was asked for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unison_core.evaluation.charts import Series, bars, lines
from unison_core.evaluation.item import Item
from unison_core.types import AUDIO_STREAMS

MAX_CATEGORIES = 12


@dataclass(frozen=True, kw_only=True)
class Gates:
    """Gates of one clip.

    Attributes:
        sigma: noise level by stream, `(steps,)`.
        gates: by stream, `(steps, layers)`; what flows into the stream is scaled by it.
    """

    sigma: Mapping[str, np.ndarray]
    gates: Mapping[str, np.ndarray]


def read_gates(path: Path) -> Gates | None:
    """The record beside a clip; None where it is no such record."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        sigma = {stream: np.array(data["sigma"][stream], dtype=np.float64) for stream in AUDIO_STREAMS}
        gates = {stream: np.array(data["gates"][stream], dtype=np.float64) for stream in AUDIO_STREAMS}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if any(gates[s].ndim != 2 or len(gates[s]) != len(sigma[s]) for s in AUDIO_STREAMS):
        return None
    return Gates(sigma=sigma, gates=gates)


def gate_charts(items: Sequence[Item]) -> dict[str, str]:
    """Charts by title; empty where no clip has a record of its gates. Clips of another shape are left out."""
    found = [(item, gates) for item in items if item.gates and (gates := read_gates(item.gates))]
    if not found:
        return {}
    shape = found[0][1].gates[AUDIO_STREAMS[0]].shape
    found = [(item, gates) for item, gates in found if all(gates.gates[s].shape == shape for s in AUDIO_STREAMS)]
    every = {s: np.stack([gates.gates[s] for _, gates in found]) for s in AUDIO_STREAMS}  # (clips, steps, layers)
    layers = {_gate(s): _series(np.arange(1, shape[1] + 1), x.mean(axis=1)) for s, x in every.items()}
    sigmas = {_gate(s): _series(found[0][1].sigma[s], x.mean(axis=2)) for s, x in every.items()}
    title = f"{len(found)} clips, mean and deviation over clips"
    return {
        f"Gates by layer ({title})": lines(layers, "audio block", (0, 1)),
        f"Gates by noise level ({title})": lines(sigmas, "sigma (0 is clean)", (0, 1)),
        "Gates by what was asked for": bars(_by_category(found)),
    }


def _series(x: np.ndarray, by_clip: np.ndarray) -> Series:
    mean, spread = by_clip.mean(axis=0), by_clip.std(axis=0)
    return Series(x=x, y=mean, low=mean - spread, high=mean + spread)


def _by_category(found: Sequence[tuple[Item, Gates]]) -> dict[str, dict[str, float]]:
    """Mean gate by subset, action and ambience; by clip where nothing of the kind is known."""
    groups: dict[str, list[Gates]] = {}
    for item, gates in found:
        scene = item.scene
        names = [item.kind, scene and scene.action, scene and scene.ambience]
        for name in [n for n in names if n] or [item.id[:18]]:
            groups.setdefault(name, []).append(gates)
    largest = sorted(groups.items(), key=lambda pair: -len(pair[1]))[:MAX_CATEGORIES]
    return {
        f"{name} ({len(group)})": {_gate(s): float(np.mean([g.gates[s].mean() for g in group])) for s in AUDIO_STREAMS}
        for name, group in largest
    }


def _gate(stream: str) -> str:
    return f"into {stream}"
