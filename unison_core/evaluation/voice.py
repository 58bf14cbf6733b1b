"""The voice alone: the speech stem where a clip has one, or else what Mel-Band RoFormer finds in the mix."""

from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unison_core.evaluation.feature import Feature, Model, Ready, Weights
from unison_core.evaluation.item import SOUND, SPEECH
from unison_core.evaluation.media import Media, Wave

WEIGHTS = Weights(id="KimberleyJSN/melbandroformer", licence="not stated", size="870 MB", patterns=("*.ckpt", "*.yaml"))
RATE_HZ = 16000


def load(paths: Mapping[str, Path], device: torch.device) -> Any:
    """The separator."""
    from unison_core.separation.find import find_separator
    from unison_core.separation.separator import Separator

    files = find_separator(str(paths[WEIGHTS.id]), offline=True)
    return Separator(files.config, files.load(), device)


def prepare(media: Media) -> Wave | Ready:
    """The speech stem at 16 kHz, for which no model is needed; or else the whole sound."""
    if SPEECH in media.item.files:
        return Ready(arrays={"wave": media.wave(SPEECH).at(RATE_HZ), "separated": np.array(False)})
    return media.wave(SOUND)


def infer(separator: Any, wave: Wave) -> dict[str, np.ndarray]:
    """The voice in the whole sound, at 16 kHz."""
    from unison_core.separation.overlap_add import Grid, separate_stream

    def submit(window: np.ndarray) -> "Future[np.ndarray]":
        result: Future[np.ndarray] = Future()
        result.set_result(separator.speech(window[None])[0])
        return result

    grid = Grid.at_rate(separator.config, wave.rate_hz)
    speech = np.concatenate([voice for _, voice in separate_stream([wave.samples.T], grid, submit)], axis=1)
    return {"wave": Wave(samples=speech.T, rate_hz=wave.rate_hz).at(RATE_HZ), "separated": np.array(True)}


VOICE = Feature(
    name="voice", reads=(SOUND, SPEECH), prepare=prepare, infer=infer,
    model=Model(name=WEIGHTS.id, weights=(WEIGHTS,), load=load),
)  # fmt: skip
