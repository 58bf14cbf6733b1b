"""How long a clip is that is made from given sound or video: as long as what is given, in whole frames."""

import math
from collections.abc import Mapping

from unison_core.config import Preset
from unison_core.errors import UsageError
from unison_core.media.probe import MediaInfo
from unison_core.pipelines.given import Given, length_s
from unison_core.types import SPEECH, VIDEO


def given_duration_s(
    given: Given, found: Mapping[str, MediaInfo], asked_s: float | None, needed_s: float, preset: Preset
) -> float:
    """The clip's length in seconds.

    A clip of a given video is a part of it. Given sound that ends before its clip does is continued by silence: where
    a length is asked for, where words need more, and up to the shortest clip that the model makes.

    Args:
        given: sound or video.
        found: facts about its files.
        asked_s: length that the user asks for; None follows what is given.
        needed_s: what speech that is to be generated takes; 0 where none is.
        preset: its limits.

    Raises:
        UsageError: the length is outside what the model makes, or beyond the video's end, or too short for the words.
    """
    timing = preset.timing
    there_s = None if asked_s is not None and not given.video else length_s(given, found)
    if asked_s is not None and not (math.isfinite(asked_s) and timing.min_s <= asked_s <= timing.max_s):
        raise UsageError(
            f"duration {asked_s:g} s is outside what {preset.name} makes, {timing.min_s:g} to {timing.max_s:g} s"
        )
    what = VIDEO if given.video else "sound"
    wanted_s = asked_s if asked_s is not None else there_s
    assert wanted_s is not None
    if given.video and there_s is not None:
        if wanted_s > there_s + 1 / timing.fps:
            raise UsageError(f"duration {wanted_s:g} s is longer than the {there_s:.2f} s of video from the start on")
        if there_s < timing.min_s - 0.5 / timing.fps:
            raise UsageError(
                f"the video has {there_s:.2f} s from the start on, but {preset.name} makes at least {timing.min_s:g} s"
            )
    if asked_s is None and wanted_s > timing.max_s + 1 / timing.fps:
        raise UsageError(
            f"the {what} lasts {wanted_s:.2f} s, but {preset.name} makes at most {timing.max_s:g} s: "
            f"choose a part with --start and --duration"
        )
    if asked_s is None and not given.video:
        wanted_s = max(wanted_s, min(needed_s, timing.max_s) if SPEECH not in given.stems else 0.0)
    frames = (
        round(wanted_s * timing.fps) if given.video or asked_s is not None else math.ceil(wanted_s * timing.fps - 1e-6)
    )
    longest = math.floor(timing.max_s * timing.fps + 1e-6)
    shortest = math.ceil(timing.min_s * timing.fps - 1e-6)
    duration_s = min(max(frames, shortest), longest) / timing.fps
    if needed_s > duration_s + 1e-6:
        raise UsageError(
            f"the words take {needed_s:.1f} s and do not fit into the {duration_s:g} s of the {what}: "
            "shorten the transcript"
        )
    return duration_s
