"""Faults that need no opinion: a wrong length, picture and sound of unequal length, clipping, a still picture."""

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SOUND, VIDEO, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import DOWN, NEITHER, Features, Figure, Metric, Score, Unscored
from unison_core.pipelines.checks import FROZEN

CLIPPED = 0.999
IN_A_ROW = 3
"""Samples at full scale count from three in a row: one alone may be a peak."""


def measure(media: Media) -> dict[str, np.ndarray]:
    """Lengths in s, clipped samples per million, mean change between pictures of 255; nan where there is no sound."""
    frames = media.small
    motion = np.abs(np.diff(frames[:, ::2, ::2].astype(np.int16), axis=0)).mean() if len(frames) > 1 else 0.0
    found = {"shown_s": np.array(len(frames) / media.fps), "motion": np.array(motion)}
    try:
        wave = media.wave(SOUND)
    except Unscored:
        return found | {"heard_s": np.array(np.nan), "clipped_ppm": np.array(np.nan)}
    full = np.abs(wave.samples).max(axis=1) >= CLIPPED
    runs = np.convolve(full, np.ones(IN_A_ROW), mode="valid") == IN_A_ROW
    return found | {
        "heard_s": np.array(len(wave.samples) / wave.rate_hz),
        "clipped_ppm": np.array(1e6 * runs.sum() / len(full)),
    }


def score(item: Item, features: Features) -> Score:
    """The checks of one clip."""
    found = {name: float(value) for name, value in features["technical"].items()}
    values = {"motion": found["motion"], "still": float(found["motion"] < FROZEN)}
    missing: dict[str, str] = {}
    if np.isnan(found["heard_s"]):
        missing |= dict.fromkeys(("length_gap", "clipped"), "no sound that can be read")
    else:
        values |= {"length_gap": 1000 * abs(found["shown_s"] - found["heard_s"]), "clipped": found["clipped_ppm"]}
    if item.duration_s is None:
        missing["length_error"] = "no length was asked for"
    else:
        values["length_error"] = 1000 * abs(found["shown_s"] - item.duration_s)
    return Score(values=values, missing=missing)


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
    needs=(VIDEO,),
    features=(Feature(name="technical", reads=(VIDEO, SOUND), prepare=measure),),
    score=score,
    default=True,
)
