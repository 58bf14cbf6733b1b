"""The prompts of the quality benchmark: held-out scenes of the corpus, drawn by seed until each kind has its number."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from unison_core.corpus.sample import sample_scene
from unison_core.corpus.scene import Scene
from unison_core.corpus.speech import Utterance
from unison_core.evaluation.plain_captions import plain_caption
from unison_core.text.prompt import fitting_duration_s

SPOKEN, WORDLESS, SOUNDLESS = "spoken", "wordless", "soundless"
"""Speech with sound; sound without speech; speech without sound."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """One prompt and the truth behind it.

    Attributes:
        id: names the clip's folder; begins with the seed of the corpus.
        kind: one of the three kinds above.
        seed: of the generation.
        scene, utterance: the truth; the prompt is the scene's caption and transcript.
        duration_s: asked for: the scene's, or what the transcript needs where the model's own estimate is longer.
    """

    id: str
    kind: str
    seed: int
    scene: Scene
    utterance: Utterance | None
    duration_s: float


def held_out_prompts(counts: dict[str, int], max_s: float, *, plain: bool = False) -> Iterator[HeldOut]:
    """Prompts of the seeds 0, 1, ... until there are `counts` by kind, passing over what does not fit into `max_s`.

    `plain` captions are not the corpus' own (`plain_captions.py`).
    """
    wanted = dict(counts)
    seed = 0
    while any(wanted.values()):
        scene, utterance = sample_scene(seed, "held_out")
        if plain:
            scene = replace(scene, caption=plain_caption(scene, np.random.default_rng(seed)))
        kind = kind_of(scene)
        needed_s = fitting_duration_s(scene.transcript) if scene.transcript else 0.0
        duration_s = max(scene.frames, math.ceil(needed_s * scene.fps - 1e-6)) / scene.fps
        if kind is not None and wanted.get(kind) and duration_s <= max_s:
            wanted[kind] -= 1
            name = f"{seed:04d}-{kind}-plain" if plain else f"{seed:04d}-{kind}"
            yield HeldOut(id=name, kind=kind, seed=seed, scene=scene, utterance=utterance, duration_s=duration_s)
        seed += 1


def kind_of(scene: Scene) -> str | None:
    """The kind of prompt that a scene gives; None where nothing at all is heard."""
    sounds = scene.action is not None or scene.ambience is not None
    if scene.transcript:
        return SPOKEN if sounds else SOUNDLESS
    return WORDLESS if sounds else None
