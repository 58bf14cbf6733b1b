"""WER and CER by Whisper large-v3 of the whole sound, as Harmony measures them."""

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SOUND
from unison_core.evaluation.metrics.whisper import MODEL, RATE_HZ, hear, make

HEARD = Feature(
    name="heard by whisper, whole", reads=(SOUND, "language"), model=MODEL, infer=hear,
    prepare=lambda media: (media.wave(SOUND).at(RATE_HZ), media.item.language),
)  # fmt: skip

METRIC = make("whisper_mix", "_mix", "whole sound", "Harmony: no separation", HEARD)
