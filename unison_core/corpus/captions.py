"""What a user would write for a scene: one of some ninety sentence skeletons, filled with synonyms.

Always named: glasses that are worn, the action with its thing, the ambience, whether the person speaks and with which
of the four voices. Often: background (85%), hair (85%), framing (35%), skin (35%); the garment and its colour always,
but for a fifth of the captions of training, so that a short caption is nothing new.
"""

import re
from functools import cache
from pathlib import Path

import numpy as np

from unison_core.corpus.grammar import Grammar, finish
from unison_core.corpus.scene import Look, Scene

P_BACKGROUND, P_HAIR, P_FRAMING, P_SKIN, P_VOICE_IN_NOUN = 0.85, 0.85, 0.35, 0.35, 0.5
P_CLOTHES_OPEN = 0.2
"""How often training's captions say nothing of clothes."""


def caption(scene: Scene, rng: np.random.Generator, *, clothes: bool = True) -> str:
    """Describe `scene` (its own `caption` is not read), 3 to 45 words, with or without its clothes."""
    grammar = _bind(scene, rng, clothes)
    present = [scene.voice and "speech", scene.action and "action", scene.ambience and "ambience"]
    kind = "_".join(name for name in present if name) or "nothing"
    text = grammar.fill(f"{{{kind}}}", rng)
    if rng.uniform() < P_FRAMING:
        frame = grammar.fill(f"{{frame_{scene.look.framing}}}", rng)
        begins = frame.startswith("<rest>") or ". <" in frame
        text = frame.replace("<rest>", _sentence(text) if begins else text[0].lower() + text[1:])
    return _sentence(text)


@cache
def _base() -> Grammar:
    return Grammar.read(Path(__file__).parent / "captions.txt", free=FREE)


FREE = (
    "rest", "person", "bg", "acts", "acting", "happens", "strokes", "around", "ambient", "back", "hair", "tint",
    "cloth", "garment", "adjectives", "human",
)  # fmt: skip
"""Slots that come from the scene."""


def _bind(scene: Scene, rng: np.random.Generator, clothes: bool) -> Grammar:
    """The grammar with the slots of `FREE` bound to what the scene shows."""
    base, look = _base().lists, scene.look
    lists = dict(base)
    lists["rest"] = ("<rest>",)
    for slot in ("acts", "acting", "happens", "strokes"):
        lists[slot] = base[f"{scene.action}_{slot}"] if scene.action else ()
    for slot in ("around", "ambient"):
        lists[slot] = base[f"{scene.ambience}_{slot}"] if scene.ambience else ()
    adjectives = []
    if scene.voice in ("rms", "awb", "kal16"):
        if rng.uniform() < P_VOICE_IN_NOUN:
            adjectives = [_pick(base[f"voice_adj_{scene.voice}"], rng)]
        elif scene.voice != "rms" or rng.uniform() < 0.5:
            manner = base[f"voice_manner_{scene.voice}"]
            for slot in ("talks", "talking"):
                lists[slot] = tuple(f"{verb} {_pick(manner, rng)}" for verb in base[slot])
    if rng.uniform() < P_SKIN:
        adjectives.append(_pick(base[f"skin_{look.skin}"], rng))
    lists["adjectives"] = (" ".join(sorted(adjectives, key=lambda word: word == "Scottish")),)
    lists["human"] = base["woman" if look.woman else "man"]
    lists["back"] = base.get(f"shade_{look.background}", (look.background,))
    lists["cloth"] = base.get(f"shade_{look.clothes}", (look.clothes,))
    lists["garment"] = base[f"garment_{look.garment}"]
    lists["tint"] = base[f"tint_{look.hair}"]
    lists["bg"] = base["background"] if rng.uniform() < P_BACKGROUND else ("",)
    if look.glasses:
        lists["clothes"] = base["clothes_glasses"]
    lists["person"] = tuple(f"a {person}" for person in _people(base, look, rng, clothes))
    lists["hair"] = base.get(f"hair_{look.hair_style}", ())
    return Grammar(lists=lists)


def _people(base: dict[str, tuple[str, ...]], look: Look, rng: np.random.Generator, clothes: bool) -> tuple[str, ...]:
    hair = rng.uniform() < P_HAIR
    kind = "plain" if not hair else "bald" if look.hair_style == "bald" else "hair"
    if clothes:
        return base[f"person_{kind}"]
    return base[f"look_{kind}_glasses" if look.glasses else f"look_{kind}"]


def _pick(entries: tuple[str, ...], rng: np.random.Generator) -> str:
    return entries[rng.integers(len(entries))]


def _sentence(text: str) -> str:
    """Tidy spaces and commas, capital letters at sentence starts, a final stop."""
    text = re.sub(r"\s+([,.;:])", r"\1", " ".join(text.split()))
    text = re.sub(r",(?:\s*,)+", ",", text)
    text = re.sub(r",\s*([.;:])", r"\1", text).strip(" ,")
    text = re.sub(r"([.:] )([a-z])", lambda m: m[1] + (m[2].upper() if m[1][0] == "." else m[2]), text)
    return finish(text)
