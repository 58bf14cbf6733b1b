"""How speech stands over the effects, and whether the effects live on under it (Unison's speech dominance)."""

import math

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SFX, SPEECH, TRANSCRIPT, Item
from unison_core.evaluation.loudness import background_survival
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import NEITHER, ZERO, Features, Figure, Metric, Score, Unscored
from unison_core.media.loudness import SILENT_LUFS, lufs

MOST_LU = 60.0
"""Beyond this the quieter side is not a background but its absence."""


def balance(media: Media) -> dict[str, np.ndarray]:
    """Loudness of stems and of their sum, and background survival (nan where it is undefined)."""
    speech, sfx = media.wave(SPEECH), media.wave(SFX)
    count, rate_hz = min(len(speech.mono), len(sfx.mono)), speech.rate_hz
    if sfx.rate_hz != rate_hz:
        raise Unscored(f"the stems differ in rate: {rate_hz} and {sfx.rate_hz} Hz")
    a, b = speech.mono[:count], sfx.mono[:count]
    survival = background_survival(a, b, rate_hz)
    return {
        "speech": np.array(lufs(a, rate_hz)),
        "background": np.array(lufs(b, rate_hz)),
        "programme": np.array(lufs(a + b, rate_hz)),
        "survival": np.array(math.nan if survival is None else survival),
    }


def score(item: Item, features: Features) -> Score:
    """LD, LDR, survival; a stem that is silent though it should not be is a fault and has no figure."""
    levels = {name: float(value) for name, value in features["stem balance"].items()}
    if levels["speech"] < SILENT_LUFS:
        raise Unscored("the speech stem is silent")
    if levels["background"] < SILENT_LUFS:
        nothing = item.scene is not None and item.scene.action is None and item.scene.ambience is None
        raise Unscored("the effects stem is silent", expected=nothing)
    values = {"ld": levels["speech"] - levels["background"], "ldr": levels["programme"] - levels["speech"]}
    if not abs(levels["survival"]) <= MOST_LU:
        return Score(
            values=values, missing={"survival": "speech never pauses, or effects sound only in or out of pauses"}
        )
    return Score(values=values | {"survival": levels["survival"]})


METRIC = Metric(
    name="stem_balance",
    about="loudness of speech over effects, of the programme over speech, and of effects under speech",
    source="LD: Torcoli et al., JAES 2019; LDR: EBU R 128 s4; survival: Unison sec. 1",
    figures=(
        Figure(name="ld", about="LD, speech over effects, LU (10 over music, 15 over ambience are clear)", digits=1),
        Figure(name="ldr", about="LDR, programme over speech, LU (small is clear speech)", better=NEITHER, digits=1),
        Figure(name="survival", about="effects during speech over effects in pauses, LU", better=ZERO, digits=1),
    ),
    needs=(SPEECH, SFX, TRANSCRIPT),
    features=(Feature(name="stem balance", reads=(SPEECH, SFX), prepare=balance),),
    score=score,
    default=True,
)
