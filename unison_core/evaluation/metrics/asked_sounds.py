"""Whether the action and the ambience that were asked for are heard, by a classifier fitted on the corpus."""

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SCENE, SFX, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score, Unscored
from unison_core.evaluation.sounds import name_sounds
from unison_core.media.loudness import SILENT_LUFS, lufs

NOTHING = ""


def name(media: Media) -> dict[str, np.ndarray]:
    """Names of what is heard; nothing is named in a stem under -50 LUFS."""
    wave = media.wave(SFX)
    if lufs(wave.mono, wave.rate_hz) < SILENT_LUFS:
        return {"action": np.array(NOTHING), "ambience": np.array(NOTHING)}
    found = name_sounds(wave.mono, wave.rate_hz)
    return {"action": np.array(found.action or NOTHING), "ambience": np.array(found.ambience or NOTHING)}


def score(item: Item, features: Features) -> Score:
    """1 where the sound asked for is named, 0 where another is."""
    assert item.scene is not None
    named = {what: str(value) for what, value in features["sounds"].items()}
    asked = {"action": item.scene.action, "ambience": item.scene.ambience}
    values = {f"{what}_right": float(named[what] == wanted) for what, wanted in asked.items() if wanted}
    if not values:
        raise Unscored("no sound was asked for", expected=True)
    missing = {f"{what}_right": f"no {what} was asked for" for what, wanted in asked.items() if not wanted}
    return Score(values=values, missing=missing, notes={what: named[what] or "none" for what in named})


METRIC = Metric(
    name="asked_sounds",
    about="actions and ambiences of the corpus, named from the effects stem",
    source="evaluation/sounds.py, fitted on train recordings only",
    figures=(
        Figure(name="action_right", about="share of asked-for actions that are heard", better=UP),
        Figure(name="ambience_right", about="share of asked-for ambiences that are heard", better=UP),
    ),
    needs=(SFX, SCENE),
    features=(Feature(name="sounds", reads=(SFX,), prepare=name),),
    score=score,
    default=True,
)
