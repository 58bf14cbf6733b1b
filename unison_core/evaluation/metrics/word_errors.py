"""Word and character errors of what an offline recogniser hears: pocketsphinx, English."""

from functools import cache

import numpy as np

from unison_core.evaluation.asr import Recogniser
from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import ENGLISH, SOUND, SPEECH, TRANSCRIPT, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import DOWN, Features, Figure, Metric, Score, Unscored
from unison_core.evaluation.word_scores import score_words

MODULES = ("pocketsphinx", "jiwer")


@cache
def _recogniser() -> Recogniser:
    return Recogniser()


def hear(media: Media) -> dict[str, np.ndarray]:
    """What the recogniser hears."""
    wave = media.voice
    return {"heard": np.array(_recogniser().read(wave.mono, wave.rate_hz))}


def score(item: Item, features: Features) -> Score:
    """Errors in the clip; rates of a set are pooled over its words."""
    if item.language != ENGLISH:
        raise Unscored(f"the offline recogniser reads English, not {item.language!r}", expected=True)
    assert item.transcript is not None
    return score_words(item.transcript, str(features["heard offline"]["heard"]), item.language, ("wer", "cer"))


METRIC = Metric(
    name="word_errors",
    about="word and character errors of the speech stem (of the whole sound where there is no stem)",
    source="pocketsphinx en-us as evaluation/asr.py sets it; jiwer; compare within this recogniser only",
    figures=(
        Figure(name="wer", about="word error rate, offline recogniser", better=DOWN, pooled=True),
        Figure(name="cer", about="character error rate, offline recogniser", better=DOWN, pooled=True),
    ),
    needs=(SOUND, TRANSCRIPT),
    features=(Feature(name="heard offline", reads=(SOUND, SPEECH), prepare=hear),),
    score=score,
    default=True,
    modules=MODULES,
)
