"""Whether the corpus voice that the caption implies is the one that speaks, by a classifier fitted on the corpus."""

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SCENE, SPEECH, TRANSCRIPT, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score, Unscored
from unison_core.evaluation.voices import name_voice
from unison_core.media.loudness import SILENT_LUFS, lufs


def name(media: Media) -> dict[str, np.ndarray]:
    """Name of the voice; empty where none is heard."""
    wave = media.wave(SPEECH)
    silent = lufs(wave.mono, wave.rate_hz) < SILENT_LUFS
    found = None if silent else name_voice(wave.mono, wave.rate_hz)
    return {"voice": np.array(max(found, key=found.__getitem__) if found else "")}


def score(item: Item, features: Features) -> Score:
    """1 where the voice is the one asked for; a silent voice is not."""
    assert item.scene is not None
    if item.scene.voice is None:
        raise Unscored("no voice was asked for", expected=True)
    named = str(features["voice"]["voice"])
    return Score(values={"voice_right": float(named == item.scene.voice)}, notes={"voice": named or "none"})


METRIC = Metric(
    name="asked_voice",
    about="voices of the corpus, named from the speech stem",
    source="evaluation/voices.py, fitted on train recordings only",
    figures=(Figure(name="voice_right", about="share of clips in the voice asked for", better=UP),),
    needs=(SPEECH, TRANSCRIPT, SCENE),
    features=(Feature(name="voice", reads=(SPEECH,), prepare=name),),
    score=score,
    default=True,
)
