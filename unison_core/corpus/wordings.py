"""What people type for a scene: other words and orders than captions have, lists, requests, few capitals and stops.

A model that reads captions of one grammar alone learns how they are made: captions in six other styles lost it a sixth
of the sounds. Like a caption, a wording names always: glasses that are worn, the action, the ambience, clothes, and the
voices that are not the usual ones. Often: hair (65%), background (50%).
"""

from functools import cache
from pathlib import Path

import numpy as np

from unison_core.corpus.captions import FREE, base, bind, hair_kind, present, tidy
from unison_core.corpus.grammar import Grammar, articles
from unison_core.corpus.scene import Scene

P_HAIR, P_WALL, P_CAPITAL, P_STOP = 0.65, 0.5, 0.5, 0.3
P_SKIN = 0.1
OWN = ("does", "doing", "place", "wall", "someone", "looks", "tags", "look_tags", "she")
"""Slots that come from the scene, beside those of captions."""


def wording(scene: Scene, rng: np.random.Generator) -> str:
    """Describe `scene` (its own `caption` is not read), 3 to 45 words, its transcript apart."""
    grammar = _bind(scene, rng)
    text = tidy(articles(grammar.fill("{wording}", rng))).lstrip(" ,:;")
    if rng.uniform() < P_CAPITAL:
        text = text[0].upper() + text[1:]
    return text + "." if rng.uniform() < P_STOP else text


@cache
def _lists() -> dict[str, tuple[str, ...]]:
    """Captions' lists, each with what wordings add to it."""
    captions = base().lists
    own = Grammar.read(Path(__file__).parent / "wordings.txt", free=(*FREE, *OWN, *captions)).lists
    return {name: captions.get(name, ()) + own.get(name, ()) for name in {**captions, **own}}


def _bind(scene: Scene, rng: np.random.Generator) -> Grammar:
    lists, look = bind(_lists(), scene, rng, p_skin=P_SKIN), scene.look
    hair = hair_kind(look, named=rng.uniform() < P_HAIR)
    doing = present(speech=scene.voice, action=scene.action)
    lists["does"], lists["doing"] = lists[f"does_{doing}"], lists[f"doing_{doing}"]
    lists["place"] = lists[f"{scene.ambience}_place"] if scene.ambience else ("",)
    lists["someone"], lists["looks"] = lists[f"someone_{hair}"], lists[f"looks_{hair}"]
    wall = rng.uniform() < P_WALL
    lists["wall"] = lists["wall_phrase"] if wall else ("",)
    lists["she"] = ("she" if look.woman else "he",)
    looks = ["{tag_clothes}", *(["{tag_glasses}"] if look.glasses else []), *(["{tag_wall}"] if wall else []),
             *([f"{{tag_{hair}}}"] if hair != "plain" else [])]  # fmt: skip
    heard = [slot for slot, there in (("{talking}", scene.voice), ("{acting}", scene.action)) if there] or ["{doing}"]
    place = ["{ambient}"] if scene.ambience else []
    lists["look_tags"] = (_shuffled(looks, rng),)
    lists["tags"] = (_shuffled([*looks, *heard, *place], rng),)
    return Grammar(lists=lists)


def _shuffled(slots: list[str], rng: np.random.Generator) -> str:
    return ", ".join(slots[i] for i in rng.permutation(len(slots)))
