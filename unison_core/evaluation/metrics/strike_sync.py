"""Strikes of the corpus' people and their sounds: motion of the hands' part of the picture against the effects stem."""

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SCENE, SOUND, VIDEO, Item
from unison_core.evaluation.metrics.av_lag import ONSETS
from unison_core.evaluation.registry import DOWN, UP, ZERO, Features, Figure, Metric, Score, SetScore, Unscored
from unison_core.evaluation.shuffled_pairs import share_beating_shuffled
from unison_core.evaluation.sync import action_strength, sync

HANDS = Feature(
    name="hands",
    reads=(VIDEO,),
    prepare=lambda media: {"curve": action_strength(media.small, media.fps).astype(np.float32)},
)


def score(item: Item, features: Features) -> Score:
    """Lag of the strikes' sound, in ms."""
    assert item.scene is not None
    if item.scene.action is None:
        raise Unscored("no action was asked for", expected=True)
    found = sync(features["hands"]["curve"], features[ONSETS.name]["curve"])
    if found is None:
        raise Unscored("nothing moves or nothing sounds")
    return Score(values={"strike_lag": found.lag_ms, "strike_distance": abs(found.lag_ms), "strike_r": found.r_peak})


def over_set(items: list[Item], features: list[Features]) -> dict[str, SetScore]:
    """Share of acting clips whose own sound fits better than the median of other clips' sounds."""
    acting = [f for item, f in zip(items, features, strict=True) if item.scene and item.scene.action]
    pictures, onsets = ([f[name]["curve"] for f in acting] for name in ("hands", ONSETS.name))
    return {"strike_beats_shuffled": share_beating_shuffled(pictures, onsets, "needs two acting clips")}


METRIC = Metric(
    name="strike_sync",
    about="strikes of the hands and their sound, lags up to 0.4 s",
    source="evaluation/sync.py; as in benchmarks/quality.py",
    figures=(
        Figure(name="strike_lag", about="lag of the sound after the strike, ms", better=ZERO, digits=0),
        Figure(name="strike_distance", about="distance of strike and sound, ms", better=DOWN, digits=0),
        Figure(name="strike_r", about="correlation at the peak", better=UP),
    ),
    set_figures=(
        Figure(name="strike_beats_shuffled", about="share of acting clips that fit better than shuffled", better=UP),
    ),
    needs=(VIDEO, SOUND, SCENE),
    features=(HANDS, ONSETS),
    score=score,
    over_set=over_set,  # type: ignore[arg-type]
    default=True,
)
