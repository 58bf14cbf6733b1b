"""Mouth opening and speech level where the mouth can be found: of the corpus' people, by its colour inside."""

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SCENE, SOUND, SPEECH, TRANSCRIPT, VIDEO, Item
from unison_core.evaluation.lips import lip_sync, mouth_area, speech_level
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score, Unscored


def curves(media: Media) -> dict[str, np.ndarray]:
    """Open area of the mouth and level of the speech, a value a picture, and the rate."""
    frames, wave = media.small, media.voice
    level = speech_level(wave.mono, wave.rate_hz, media.fps, len(frames))
    return {"area": mouth_area(frames), "level": level, "fps": np.array(media.fps)}


def score(item: Item, features: Features) -> Score:
    """Correlations without lag and within 80 ms; a mouth or voice that never moves has none."""
    area, level, fps = (features["mouth and voice"][name] for name in ("area", "level", "fps"))
    if area.std() < 1e-6:
        raise Unscored("the mouth never opens")
    if level.std() < 1e-6:
        raise Unscored("the voice is silent")
    found = lip_sync(area, level, float(fps))
    return Score(values={"lips_r": found.r, "lips_r_best": found.r_best})


METRIC = Metric(
    name="lips",
    about="correlation of mouth opening and speech level",
    source="evaluation/lips.py; natural lips lead by 100 to 300 ms (Chandrasekaran et al., 2009)",
    figures=(
        Figure(name="lips_r", about="r without lag", better=UP),
        Figure(name="lips_r_best", about="best r within 80 ms", better=UP),
    ),
    needs=(VIDEO, SOUND, TRANSCRIPT, SCENE),
    features=(Feature(name="mouth and voice", reads=(VIDEO, SOUND, SPEECH), prepare=curves),),
    score=score,
    default=True,
)
