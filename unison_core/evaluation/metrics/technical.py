"""Faults that need no opinion: a wrong length, picture and sound of unequal length, clipping, a still picture."""

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SOUND, VIDEO, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import DOWN, NEITHER, Features, Figure, Metric, Score
from unison_core.pipelines.checks import FROZEN

CLIPPED = 0.999
IN_A_ROW = 3
"""Samples at full scale count from three in a row: one alone may be a peak."""


def measure(media: Media) -> dict[str, np.ndarray]:
    """Lengths in s, clipped samples per million, and mean change between pictures of 255."""
    frames, wave = media.small, media.wave(SOUND)
    full = np.abs(wave.samples).max(axis=1) >= CLIPPED
    runs = np.convolve(full, np.ones(IN_A_ROW), mode="valid") == IN_A_ROW
    motion = np.abs(np.diff(frames[:, ::2, ::2].astype(np.int16), axis=0)).mean() if len(frames) > 1 else 0.0
    return {
        "shown_s": np.array(len(frames) / media.fps),
        "heard_s": np.array(len(wave.samples) / wave.rate_hz),
        "clipped_ppm": np.array(1e6 * runs.sum() / len(full)),
        "motion": np.array(motion),
    }


def score(item: Item, features: Features) -> Score:
    """The checks of one clip."""
    found = {name: float(value) for name, value in features["technical"].items()}
    values = {
        "length_gap": 1000 * abs(found["shown_s"] - found["heard_s"]),
        "clipped": found["clipped_ppm"],
        "motion": found["motion"],
        "still": float(found["motion"] < FROZEN),
    }
    if item.duration_s is None:
        return Score(values=values, missing={"length_error": "no length was asked for"})
    return Score(values=values | {"length_error": 1000 * abs(found["shown_s"] - item.duration_s)})


METRIC = Metric(
    name="technical",
    about="length, clipping, stillness",
    source="pipelines/checks.py",
    figures=(
        Figure(name="length_error", about="picture's length against what was asked for, ms", better=DOWN, digits=0),
        Figure(name="length_gap", about="picture's length against the sound's, ms", better=DOWN, digits=0),
        Figure(name="clipped", about="samples in runs at full scale, per million", better=DOWN, digits=1),
        Figure(name="motion", about="mean change between pictures, of 255", better=NEITHER),
        Figure(name="still", about="share of clips whose picture stands still", better=DOWN),
    ),
    needs=(VIDEO, SOUND),
    features=(Feature(name="technical", reads=(VIDEO, SOUND), prepare=measure),),
    score=score,
    default=True,
)
