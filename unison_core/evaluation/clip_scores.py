"""Everything that is measured on one finished clip, given the scene that was asked for.

Scores are plain data, so that they can be cached a line a clip; what the scene does not ask for stays None.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from unison_core.corpus import captions
from unison_core.corpus.grammar import Grammar
from unison_core.corpus.scene import Scene
from unison_core.evaluation.asr import Recogniser
from unison_core.evaluation.lips import lip_sync, mouth_area, speech_level
from unison_core.evaluation.looks import name_colours
from unison_core.evaluation.loudness import background_survival
from unison_core.evaluation.sounds import name_sounds
from unison_core.evaluation.sync import action_strength, onset_strength
from unison_core.evaluation.voices import name_voice
from unison_core.media.loudness import SILENT_LUFS, lufs
from unison_core.types import SFX, SPEECH, Clip


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


def score_clip(clip_id: str, scene: Scene, clip: Clip, recogniser: Recogniser) -> ClipScores:
    """Measure `clip` against `scene`; nothing is named in a stem under -50 LUFS.

    Raises:
        ValueError: the clip has no picture.
    """
    if clip.frames is None:
        raise ValueError(f"clip {clip_id} has no picture")
    speech, sfx, rate_hz = clip.stems[SPEECH], clip.stems[SFX], clip.rate_hz
    spoken = bool(scene.transcript)
    loudness = {stream: lufs(wave, rate_hz) for stream, wave in clip.stems.items()}
    lips = voices = None
    if spoken:
        level = speech_level(speech, rate_hz, clip.fps, len(clip.frames))
        lips = lip_sync(mouth_area(clip.frames), level, clip.fps)
        voices = name_voice(speech, rate_hz) if loudness[SPEECH] >= SILENT_LUFS else None
    sounds = name_sounds(sfx, rate_hz) if loudness[SFX] >= SILENT_LUFS else None
    colours = asked_colours(scene)
    named = name_colours(clip.frames)
    return ClipScores(
        id=clip_id,
        transcript=scene.transcript if spoken else None,
        heard=recogniser.read(speech, rate_hz) if spoken else None,
        action=scene.action,
        named_action=sounds.action if sounds else None,
        ambience=scene.ambience,
        named_ambience=sounds.ambience if sounds else None,
        voice=scene.voice,
        named_voice=max(voices, key=voices.__getitem__) if voices else None,
        colours=colours,
        named_colours={part: named[part] for part in colours},
        lips_r=lips.r if lips else None,
        lips_r_best=lips.r_best if lips else None,
        loudness={stream: _finite(level) for stream, level in loudness.items()},
        survival=background_survival(speech, sfx, rate_hz) if spoken and (scene.action or scene.ambience) else None,
        motion=[round(float(x), 5) for x in action_strength(clip.frames, clip.fps)],
        onsets=[round(float(x), 5) for x in onset_strength(sfx, rate_hz)],
    )


def asked_colours(scene: Scene) -> dict[str, str]:
    """Colours by part of the look, of those parts whose colour the caption names."""
    look, caption = scene.look, scene.caption.lower()
    lists = _synonyms()
    asked = {"clothes": look.clothes}
    walls = [f"{shade} {place}" for shade in lists.get(f"shade_{look.background}", (look.background,))
             for place in ("wall", "background", "backdrop", "room")]  # fmt: skip
    if any(wall in caption for wall in walls):
        asked["background"] = look.background
    tints = [f"{tint} {thing}" for tint in lists[f"tint_{look.hair}"] for thing in ("hair", "curl", "bun")]
    if look.hair_style != "bald" and any(tint in caption for tint in tints):
        asked["hair"] = look.hair
    return asked


@cache
def _synonyms() -> Mapping[str, tuple[str, ...]]:
    """Words of the caption grammar by section."""
    return Grammar.read(Path(captions.__file__).with_name("captions.txt"), free=captions.FREE).lists


def _finite(level: float) -> float | None:
    return round(level, 2) if math.isfinite(level) else None
