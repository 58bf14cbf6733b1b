"""Stems against true stems of the same mixture: the SI-SDR family, for separation."""

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import REFERENCE, SFX, SOUND, SPEECH, Item
from unison_core.evaluation.loudness import sdr, si_sdr
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score, Unscored

RATE_HZ = 16000
NAMES = {"si_sdr": "SI-SDR", "si_sdri": "SI-SDR gain over the mixture", "sdr": "SDR"}
SAME_MIXTURE_DB = 0.0
"""Under this SI-SDR two mixtures are different recordings, and their stems cannot be compared sample by sample."""


def waves(media: Media) -> dict[str, np.ndarray]:
    """The stems and the whole sound at 16 kHz."""
    return {kind: media.wave(kind).at(RATE_HZ) for kind in (SOUND, SPEECH, SFX)}


WAVES = Feature(name="waves", reads=(SOUND, SPEECH, SFX), prepare=waves)


def score(item: Item, features: Features) -> Score:
    """SI-SDR, its gain over the mixture, and SDR, of each stem that sounds in the reference."""
    own, true = features["waves"], features["reference waves"]
    count = min(len(x) for x in (*own.values(), *true.values()))
    own, true = ({kind: x[:count] for kind, x in waves.items()} for waves in (own, true))
    if not own[SOUND].any() or not true[SOUND].any():
        raise Unscored("a mixture is silent")
    if si_sdr(own[SOUND], true[SOUND]) < SAME_MIXTURE_DB:
        raise Unscored("the reference is another recording, not the same mixture", expected=True)
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    for kind in (SPEECH, SFX):
        if not true[kind].any() or not own[kind].any():
            missing |= {f"{name}_{kind}": f"the {kind} stem is silent" for name in NAMES}
        if true[kind].any() and own[kind].any():
            values[f"si_sdr_{kind}"] = si_sdr(own[kind], true[kind])
            values[f"si_sdri_{kind}"] = values[f"si_sdr_{kind}"] - si_sdr(own[SOUND], true[kind])
            values[f"sdr_{kind}"] = sdr(own[kind], true[kind])
    if not values:
        raise Unscored("no stem sounds in both")
    return Score(values={name: float(np.clip(value, -100, 100)) for name, value in values.items()}, missing=missing)


METRIC = Metric(
    name="separation",
    about="stems against the true stems of the same mixture (clipped at 100 dB)",
    source="Le Roux et al., ICASSP 2019; zero-mean",
    figures=tuple(
        Figure(name=f"{name}_{kind}", about=f"{title} of the {kind} stem, dB", better=UP, digits=1)
        for kind in (SPEECH, SFX)
        for name, title in NAMES.items()
    ),
    needs=(SPEECH, SFX, SOUND, REFERENCE + SPEECH, REFERENCE + SFX, REFERENCE + SOUND),
    features=(WAVES,),
    reference_features=(WAVES,),
    score=score,
    default=True,
)
