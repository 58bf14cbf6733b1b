"""Programme loudness of the whole sound, and whether it is there at all."""

import math

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SFX, SOUND, SPEECH, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import DOWN, NEITHER, Features, Figure, Metric, Score
from unison_core.media.loudness import SILENT_LUFS, lufs


def levels(media: Media) -> dict[str, np.ndarray]:
    """LUFS of the whole sound and of each stem that there is; -inf for silence."""
    kinds = [SOUND, *(kind for kind in (SPEECH, SFX) if kind in media.item.files)]
    found = {}
    for kind in kinds:
        wave = media.wave(kind)
        found[kind] = np.array(lufs(wave.samples if wave.samples.shape[1] > 1 else wave.mono, wave.rate_hz))
    return found


LEVELS = Feature(name="lufs", reads=(SOUND, SPEECH, SFX), prepare=levels)


def score(item: Item, features: Features) -> Score:
    """Loudness where there is any; silence counts for `silent` alone."""
    level = float(features["lufs"][SOUND])
    values = {"silent": float(level < SILENT_LUFS)}
    if math.isfinite(level):
        return Score(values=values | {"lufs": level})
    return Score(values=values, missing={"lufs": "silence"})


METRIC = Metric(
    name="loudness",
    about="integrated loudness of the whole sound",
    source="ITU-R BS.1770-4, EBU R 128; pyloudnorm",
    figures=(
        Figure(name="lufs", about="loudness, LUFS", better=NEITHER, digits=1),
        Figure(name="silent", about=f"share of clips under {SILENT_LUFS:g} LUFS", better=DOWN),
    ),
    needs=(SOUND,),
    features=(LEVELS,),
    score=score,
    default=True,
)
