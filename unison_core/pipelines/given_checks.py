"""What is measured on a clip that was made from given media: is what was given still there?"""

import math

import numpy as np

from unison_core.media.loudness import SILENT_LUFS, lufs
from unison_core.media.mix import Mixed
from unison_core.media.pictures import psnr_db
from unison_core.media.wav import quantise
from unison_core.pipelines.checks import Check
from unison_core.pipelines.given_media import GivenMedia
from unison_core.pipelines.request import ClipSpec

LOW_PSNR_DB = 20.0
"""A first frame under this differs from the given image for all to see."""


def check_given(spec: ClipSpec, media: GivenMedia, frames: np.ndarray, mixed: Mixed) -> tuple[Check, ...]:
    """Measure given stems and a given first frame against what came out."""
    checks = [_stem(stream, wave, mixed, media.rate_hz) for stream, wave in media.stems.items()]
    if media.image is not None:
        checks.append(_first_frame(media.image, frames))
    return tuple(checks)


def _stem(stream: str, wave: np.ndarray, mixed: Mixed, rate_hz: int) -> Check:
    """Largest difference of a given stem and the one that is written, in steps of 16 bits."""
    steps = float(np.abs(mixed.stems[stream] - quantise(wave)).max(initial=0.0)) * 32768
    silent = lufs(wave, rate_hz) < SILENT_LUFS
    message = f"the {stream} stem is the given one to the sample"
    if steps:
        message = f"the {stream} stem was changed by gain, loudness or peak protection, by {steps:.0f} steps of 16 bits"
    if silent:
        message = f"the given {stream} is silent (under {SILENT_LUFS:g} LUFS)"
    passed = not silent and (steps == 0 or mixed.reduction_db == 0)
    return Check(name=f"given_{stream}_difference", value=steps, passed=passed, message=message)


def _first_frame(image: np.ndarray, frames: np.ndarray) -> Check:
    value = psnr_db(frames[0], image)
    passed = value >= LOW_PSNR_DB
    message = f"first frame and image: PSNR {value:.1f} dB" + ("" if passed else f", under {LOW_PSNR_DB:g} dB")
    return Check(
        name="first_frame_psnr_db",
        value=round(value, 2) if math.isfinite(value) else None,
        passed=passed,
        message=message,
    )
