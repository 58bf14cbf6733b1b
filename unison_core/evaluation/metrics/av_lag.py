"""Lag between what moves suddenly in the picture and what begins to sound, and whether the pairs belong together."""

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SFX, SOUND, VIDEO, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import DOWN, NEITHER, UP, ZERO, Features, Figure, Metric, Score, SetScore, Unscored
from unison_core.evaluation.sets import SPEECH as SPEECH_SET
from unison_core.evaluation.shuffled_pairs import share_beating_shuffled
from unison_core.evaluation.sync import GRID_HZ, Sync, moving_parts, onset_strength, sync

MAX_LAG_S = 1.0
LEAST_S = 1.2
"""Shorter clips cannot be shifted against each other far enough."""


def onsets(media: Media) -> dict[str, np.ndarray]:
    """Spectral flux of the effects."""
    wave = media.effects
    return {"curve": onset_strength(wave.mono, wave.rate_hz).astype(np.float32)}


ONSETS = Feature(name="onset strength", reads=(SOUND, SFX), prepare=onsets)
MOTION = Feature(
    name="moving parts",
    reads=(VIDEO,),
    prepare=lambda media: {"curve": moving_parts(media.small, media.fps).astype(np.float32)},
)


def find(item: Item, features: Features) -> Sync:
    """Lag and correlations of a clip; raises Unscored where it moves or sounds too little, or is too short."""
    motion, sound = features[MOTION.name]["curve"], features[ONSETS.name]["curve"]
    count_s = min(len(motion), len(sound)) / GRID_HZ
    if count_s < LEAST_S:
        raise Unscored(f"shorter than {LEAST_S:g} s")
    found = sync(motion, sound, min(MAX_LAG_S, 0.45 * count_s))
    if found is None:
        raise Unscored(
            "nothing moves suddenly" if motion.std() < 1e-9 else "nothing begins to sound", expected=not sounds(item)
        )
    return found


def sounds(item: Item) -> bool:
    """Whether effects were asked for; True where that is not known."""
    if item.scene is not None:
        return item.scene.action is not None or item.scene.ambience is not None
    return item.kind != SPEECH_SET


def score(item: Item, features: Features) -> Score:
    """Lag in ms (positive: the sound is late), its size, and correlations."""
    found = find(item, features)
    return Score(
        values={
            "av_lag": found.lag_ms, "av_lag_size": abs(found.lag_ms), "av_r": found.r_peak, "av_r0": found.r_in_time,
        }
    )  # fmt: skip


def over_set(items: list[Item], features: list[Features]) -> dict[str, SetScore]:
    """Share of clips whose own sound fits their picture better than the median of other clips' sounds does.

    Clips of which no effects were asked for are left out; of the others, those that cannot be scored have lost.
    """
    features = [f for item, f in zip(items, features, strict=True) if sounds(item)]
    pictures, onsets = ([f[name]["curve"] for f in features] for name in (MOTION.name, ONSETS.name))
    return {"av_beats_shuffled": share_beating_shuffled(pictures, onsets, "needs two clips that sound")}


METRIC = Metric(
    name="av_lag",
    about="cross-correlation of sudden motion and spectral flux at 100 Hz, lags up to 1 s",
    source="after Cutler and Davis, ICPR 2000; r0 is the best r within 40 ms of no lag; shuffled-pairs baseline",
    figures=(
        Figure(name="av_lag", about="lag of the sound after the picture, ms", better=ZERO, digits=0),
        Figure(name="av_lag_size", about="size of the lag, ms", better=DOWN, digits=0),
        Figure(name="av_r", about="correlation at the peak", better=NEITHER),
        Figure(name="av_r0", about="correlation within 40 ms of no lag", better=UP),
    ),
    set_figures=(Figure(name="av_beats_shuffled", about="share of clips that fit better than shuffled", better=UP),),
    needs=(VIDEO, SOUND),
    features=(MOTION, ONSETS),
    score=score,
    over_set=over_set,  # type: ignore[arg-type]
    default=True,
)
