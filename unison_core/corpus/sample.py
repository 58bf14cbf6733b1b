"""Draws scenes: who, where, what is said, what is struck, what surrounds them; all of it from (seed, split).

Speech, action and ambience are present independently (85%, 75%, 45%), which leaves 2% of silence.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unison_core.corpus.captions import caption
from unison_core.corpus.combinations import draw_colours, draw_sounds
from unison_core.corpus.events import draw_events
from unison_core.corpus.foley import sound_effects
from unison_core.corpus.scene import ACTIONS, AMBIENCES, FRAMINGS, GARMENTS, SKINS, Look, Phone, Scene
from unison_core.corpus.sentences import SPLITS, load_sentences
from unison_core.corpus.speech import RATE_HZ, Utterance, speak
from unison_core.corpus.wordings import wording
from unison_core.errors import UsageError
from unison_core.types import SFX, SPEECH, Clip

FPS = 25.0
FRAMES = (41, 53, 65, 77, 89, 101)
"""Lengths of clips: few, so that batches of one length fill quickly."""
P_SPEECH, P_ACTION, P_AMBIENCE = 0.85, 0.75, 0.45
P_CLOTHES_OPEN, P_WORDING = 0.2, 0.5
"""How often training's captions say nothing of clothes, so that a short caption is nothing new; how often of the others
they are worded as people type."""
VOICE_SHARES = {"slt": 0.37, "rms": 0.27, "awb": 0.18, "kal16": 0.18}
LEAD_S, TAIL_S = (0.1, 0.5), (0.2, 0.7)
"""Ranges of the time before and after speech; what rounds a clip up to the next length is silent too."""
STYLES = {
    True: {"long": 0.35, "bun": 0.25, "curly": 0.2, "short": 0.2},
    False: {"short": 0.45, "curly": 0.2, "bald": 0.2, "long": 0.15},
}
"""Shares of hair styles of women (True) and men."""


@dataclass(frozen=True, kw_only=True)
class CorpusItem:
    """A scene and what it looks and sounds like."""

    scene: Scene
    clip: Clip


def sample_utterance(seed: int, split: str = "train", extra: Path | None = None) -> Utterance | None:
    """What is said, or None; `extra` names more training sentences as in `load_sentences`."""
    rng = _rng(seed, split, 0)
    if rng.uniform() >= P_SPEECH:
        return None
    voice = _choose(rng, VOICE_SHARES)
    while True:
        utterance = speak(load_sentences(extra).sample(rng, split), voice)
        if utterance.duration_s + LEAD_S[0] + TAIL_S[0] <= FRAMES[-1] / FPS:
            return utterance


def sample_scene(seed: int, split: str = "train", extra: Path | None = None) -> tuple[Scene, Utterance | None]:
    """Draw a scene of `split` with its speech; raises UsageError for an unknown split."""
    utterance = sample_utterance(seed, split, extra)
    return stage(seed, split, utterance), utterance


def stage(seed: int, split: str, utterance: Utterance | None) -> Scene:
    """Draw everything but the words: the same utterance can be staged again under other seeds."""
    rng = _rng(seed, split, 1)
    held_out = split == "held_out"
    woman = utterance.voice == "slt" if utterance else bool(rng.uniform() < 0.5)
    frames, start_s = _fit(rng, utterance)
    action, ambience = draw_sounds(rng, held_out)
    has_action, has_ambience = rng.uniform() < P_ACTION, rng.uniform() < P_AMBIENCE
    if has_action != has_ambience:  # alone, an action or ambience is no combination: any will do
        action, ambience = rng.choice(ACTIONS), rng.choice(AMBIENCES)
    scene = Scene(
        seed=seed + SPLITS.index(split) * 2**31,
        frames=frames,
        fps=FPS,
        look=_look(rng, woman, held_out),
        voice=utterance.voice if utterance else None,
        transcript=utterance.text if utterance else "",
        phones=_shift(utterance.phones, start_s) if utterance else (),
        span_s=(round(start_s, 4), round(start_s + utterance.duration_s, 4)) if utterance else None,
        action=str(action) if has_action else None,
        events_s=draw_events(rng, str(action), frames / FPS) if has_action else (),
        ambience=str(ambience) if has_ambience else None,
        caption="",
    )
    return replace(scene, caption=_described(scene, rng, held_out))


def sample_scenes(
    seeds: Iterable[int], split: str = "train", variants: int = 1, extra: Path | None = None
) -> Iterator[tuple[Scene, Utterance | None]]:
    """Scenes of `seeds`; seeds that share `seed // variants` share one utterance, which saves synthesis."""
    said: Utterance | None = None
    spoken_seed = -1
    for seed in seeds:
        if (first := seed - seed % variants) != spoken_seed:
            said, spoken_seed = sample_utterance(first, split, extra), first
        yield stage(seed, split, said), said


def make_item(
    seed: int, split: str = "train", video: bool = True, size: int = 128, extra: Path | None = None
) -> CorpusItem:
    """Draw a scene and make its picture and sound."""
    return realise(*sample_scene(seed, split, extra), video=video, size=size)


def realise(scene: Scene, utterance: Utterance | None, *, video: bool = True, size: int = 128) -> CorpusItem:
    """Picture (unless `video` is off) and stems of a scene; stems are 16 kHz, as long as the frames."""
    frames = None
    if video:
        from unison_core.corpus.render import render  # the drawing library is an extra

        frames = render(scene, size=size)
    stems = {SPEECH: speech_track(scene, utterance), SFX: sound_effects(scene)}
    return CorpusItem(scene=scene, clip=Clip(frames=frames, fps=scene.fps, stems=stems, rate_hz=RATE_HZ))


def speech_track(scene: Scene, utterance: Utterance | None) -> np.ndarray:
    """The utterance at its place, float32 `(round(duration_s * 16000),)`."""
    track = np.zeros(round(scene.duration_s * RATE_HZ), dtype=np.float32)
    if utterance is not None and scene.span_s is not None:
        start = round(scene.span_s[0] * RATE_HZ)
        track[start : start + len(utterance.wave)] = utterance.wave[: len(track) - start]
    return track


def _described(scene: Scene, rng: np.random.Generator, held_out: bool) -> str:
    """What is held out is asked for by full captions; training hears of less, and in other words too."""
    if held_out:
        return caption(scene, rng)
    if rng.uniform() < P_CLOTHES_OPEN:
        return caption(scene, rng, clothes=False)
    return wording(scene, rng) if rng.uniform() < P_WORDING else caption(scene, rng)


def _fit(rng: np.random.Generator, utterance: Utterance | None) -> tuple[int, float]:
    """Frames of the clip and the start of its speech in seconds."""
    if utterance is None:
        return int(rng.choice(FRAMES)), 0.0
    spare_s = FRAMES[-1] / FPS - utterance.duration_s
    lead_s = rng.uniform(LEAD_S[0], min(LEAD_S[1], spare_s - TAIL_S[0]) + 1e-9)
    tail_s = rng.uniform(TAIL_S[0], min(TAIL_S[1], spare_s - lead_s) + 1e-9)
    needed_s = lead_s + utterance.duration_s + tail_s
    return next(frames for frames in FRAMES if frames / FPS >= needed_s - 1e-6), lead_s


def _look(rng: np.random.Generator, woman: bool, held_out: bool) -> Look:
    clothes, background, hair = draw_colours(rng, held_out)
    return Look(
        woman=woman,
        skin=str(rng.choice(list(SKINS))),
        hair=hair,
        hair_style=_choose(rng, STYLES[woman]),
        garment=str(rng.choice(GARMENTS)),
        clothes=clothes,
        background=background,
        framing=str(rng.choice(FRAMINGS)),
        glasses=bool(rng.uniform() < 0.25),
        offset_x=round(float(rng.uniform(-1, 1)), 3),
    )


def _shift(phones: tuple[Phone, ...], by_s: float) -> tuple[Phone, ...]:
    return tuple(replace(p, start_s=round(p.start_s + by_s, 4), end_s=round(p.end_s + by_s, 4)) for p in phones)


def _choose(rng: np.random.Generator, shares: dict[str, float]) -> str:
    return str(rng.choice(list(shares), p=list(shares.values())))


def _rng(seed: int, split: str, part: int) -> np.random.Generator:
    if split not in SPLITS:
        raise UsageError(f"unknown split {split!r}; there are: {', '.join(SPLITS)}")
    return np.random.default_rng([SPLITS.index(split), seed, part])
