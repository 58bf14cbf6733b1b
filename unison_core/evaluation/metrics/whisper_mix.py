"""WER and CER by Whisper large-v3 of the whole sound, as Harmony measures them."""

from unison_core.evaluation.item import SOUND, TRANSCRIPT
from unison_core.evaluation.metrics.whisper import make

METRIC = make("whisper_mix", SOUND, "_mix", "whole sound", "Harmony: no separation", (SOUND, TRANSCRIPT))
