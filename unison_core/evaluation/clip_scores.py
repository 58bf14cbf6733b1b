"""Everything that is measured on one finished clip, given the scene that was asked for.

Scores are plain data, so that they can be cached a line a clip; what the scene does not ask for stays None.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from unison_core.corpus.scene import Scene
from unison_core.evaluation.asked_colours import asked_colours
from unison_core.evaluation.lips import lip_sync
from unison_core.evaluation.looks import name_colours
from unison_core.evaluation.media import in_memory
from unison_core.evaluation.metrics import (
    asked_sounds,
    asked_voice,
    av_lag,
    lips,
    stem_balance,
    strike_sync,
    word_errors,
)
from unison_core.media.loudness import lufs
from unison_core.types import Clip


@dataclass(frozen=True, kw_only=True)
class ClipScores:
    """Measures of one clip.

    Attributes:
        id: of the prompt.
        transcript, heard: words asked for and words recognised; None where nobody should speak.
        action, named_action: asked for and found (None is a name too); likewise ambience.
        voice, named_voice: likewise; None where nobody should speak, or where no voice is found.
        colours, named_colours: by part of the look, the parts that the caption names.
        lips_r, lips_r_best: correlation of mouth and voice, without lag and best within 80 ms.
        loudness: LUFS by audio stem, None for silence.
        survival: background survival in LU.
        motion, onsets: curves at 100 Hz, from which synchrony is computed over all clips.
    """

    id: str
    transcript: str | None
    heard: str | None
    action: str | None
    named_action: str | None
    ambience: str | None
    named_ambience: str | None
    voice: str | None
    named_voice: str | None
    colours: dict[str, str]
    named_colours: dict[str, str]
    lips_r: float | None
    lips_r_best: float | None
    loudness: dict[str, float | None]
    survival: float | None
    motion: list[float]
    onsets: list[float]

    def to_mapping(self) -> dict[str, Any]:
        """JSON data."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "ClipScores":
        """From JSON data; raises KeyError where a field is missing."""
        return cls(**{field.name: data[field.name] for field in fields(cls)})


def score_clip(clip_id: str, scene: Scene, clip: Clip) -> ClipScores:
    """Measure `clip` against `scene` by the registry's features; nothing is named in a stem under -50 LUFS.

    Raises:
        ValueError: the clip has no picture.
    """
    if clip.frames is None:
        raise ValueError(f"clip {clip_id} has no picture")
    media = in_memory(clip_id, scene, clip)
    spoken = bool(scene.transcript)
    sounds = {what: str(name) or None for what, name in asked_sounds.name(media).items()}
    mouth = lips.curves(media) if spoken else None
    sync = lip_sync(mouth["area"], mouth["level"], clip.fps) if mouth else None
    survival = (
        float(stem_balance.balance(media)["survival"]) if spoken and (scene.action or scene.ambience) else math.nan
    )
    named = name_colours(clip.frames)
    colours = asked_colours(scene)
    return ClipScores(
        id=clip_id,
        transcript=scene.transcript if spoken else None,
        heard=str(word_errors.hear(media)["heard"]) if spoken else None,
        action=scene.action,
        named_action=sounds["action"],
        ambience=scene.ambience,
        named_ambience=sounds["ambience"],
        voice=scene.voice,
        named_voice=(str(asked_voice.name(media)["voice"]) or None) if spoken else None,
        colours=colours,
        named_colours={part: named[part] for part in colours},
        lips_r=sync.r if sync else None,
        lips_r_best=sync.r_best if sync else None,
        loudness={stream: _finite(lufs(wave, clip.rate_hz)) for stream, wave in clip.stems.items()},
        survival=None if math.isnan(survival) else survival,
        motion=[round(float(x), 5) for x in strike_sync.HANDS.prepare(media)["curve"]],
        onsets=[round(float(x), 5) for x in av_lag.ONSETS.prepare(media)["curve"]],
    )


def _finite(level: float) -> float | None:
    return round(level, 2) if math.isfinite(level) else None
