"""What a user would write for a scene: one of some ninety sentence skeletons, filled with synonyms.

Always named: glasses that are worn, the action with its thing, the ambience, whether the person speaks and with which
of the four voices. Often: background (85%), hair (85%), framing (35%), skin (35%); the garment and its colour always,
unless they are to be left open.
"""

import re
from functools import cache
from pathlib import Path

import numpy as np

from unison_core.corpus.grammar import Grammar, finish
from unison_core.corpus.scene import Look, Scene

P_BACKGROUND, P_HAIR, P_FRAMING, P_SKIN, P_VOICE_IN_NOUN = 0.85, 0.85, 0.35, 0.35, 0.5


def caption(scene: Scene, rng: np.random.Generator, *, clothes: bool = True) -> str:
    """Describe `scene` (its own `caption` is not read), 3 to 45 words, with or without its clothes."""
    lists = bind(base().lists, scene, rng)
    hair = hair_kind(scene.look, named=rng.uniform() < P_HAIR)
    glasses = "_glasses" if scene.look.glasses else ""
    person = lists[f"person_{hair}" if clothes else f"look_{hair}{glasses}"]
    lists["person"] = tuple(f"a {noun}" for noun in person)
    grammar = Grammar(lists=lists)
    kind = present(speech=scene.voice, action=scene.action, ambience=scene.ambience)
    text = grammar.fill(f"{{{kind}}}", rng)
    if rng.uniform() < P_FRAMING:
        frame = grammar.fill(f"{{frame_{scene.look.framing}}}", rng)
        begins = frame.startswith("<rest>") or ". <" in frame
        text = frame.replace("<rest>", _sentence(text) if begins else text[0].lower() + text[1:])
    return _sentence(text)


@cache
def base() -> Grammar:
    """Skeletons and synonyms, nothing bound."""
    return Grammar.read(Path(__file__).parent / "captions.txt", free=FREE)


FREE = (
    "rest", "person", "bg", "acts", "acting", "happens", "strokes", "around", "ambient", "back", "hair", "tint",
    "cloth", "garment", "adjectives", "human",
)  # fmt: skip
"""Slots that come from the scene."""


def bind(
    base: dict[str, tuple[str, ...]], scene: Scene, rng: np.random.Generator, *, p_skin: float = P_SKIN
) -> dict[str, tuple[str, ...]]:
    """The lists `base` and the slots of `FREE`, but for `person`, bound to what the scene shows."""
    look = scene.look
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
    if rng.uniform() < p_skin:
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
    lists["hair"] = base.get(f"hair_{look.hair_style}", ())
    return lists


def present(**parts: str | None) -> str:
    """The names of what is there, joined as sections of the grammar are named: `speech_action`, `nothing`."""
    return "_".join(name for name, part in parts.items() if part) or "nothing"


def hair_kind(look: Look, *, named: bool) -> str:
    """Which lists describe the person: `hair`, `bald`, or `plain` where nothing is said of it."""
    return "plain" if not named else "bald" if look.hair_style == "bald" else "hair"


def tidy(text: str) -> str:
    """Spaces and commas as they should be after slots that are empty."""
    text = re.sub(r"\s+([,.;:])", r"\1", " ".join(text.split()))
    text = re.sub(r",(?:\s*,)+", ",", text)
    return re.sub(r",\s*([.;:])", r"\1", text).strip(" ,")


def _pick(entries: tuple[str, ...], rng: np.random.Generator) -> str:
    return entries[rng.integers(len(entries))]


def _sentence(text: str) -> str:
    """Tidy, with capital letters at sentence starts and a final stop."""
    return finish(re.sub(r"([.:] )([a-z])", lambda m: m[1] + (m[2].upper() if m[1][0] == "." else m[2]), tidy(text)))
