"""Onsets of the effects against those of a reference: for sound that is made for a given picture (V2A)."""

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import REFERENCE, SFX, SOUND, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.onset_matching import onset_f1
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score, Unscored
from unison_core.media.onsets import onsets_s

TOLERANCE_S = 0.05


def find(media: Media) -> dict[str, np.ndarray]:
    """Onsets of the effects, in s."""
    wave = media.effects
    return {"onsets_s": np.array(onsets_s(wave.mono, wave.rate_hz))}


ONSET_TIMES = Feature(name="onsets", reads=(SOUND, SFX), prepare=find)


def score(item: Item, features: Features) -> Score:
    """F1 at 50 ms; undefined where the reference has no onset."""
    true = features[REFERENCE + ONSET_TIMES.name]["onsets_s"]
    if not len(true):
        raise Unscored("the reference has no onset", expected=True)
    return Score(values={"onset_f1": onset_f1(features[ONSET_TIMES.name]["onsets_s"], true, TOLERANCE_S)})


METRIC = Metric(
    name="onset_f1",
    about="onsets of the effects against the reference's, within 50 ms",
    source="as mir_eval.onset.f_measure; meaningful where the picture was given (V2A)",
    figures=(Figure(name="onset_f1", about="onset F1 at 50 ms", better=UP),),
    needs=(SOUND, REFERENCE + SOUND),
    features=(ONSET_TIMES,),
    reference_features=(ONSET_TIMES,),
    score=score,
    default=True,
)
