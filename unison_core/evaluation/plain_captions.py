"""Captions as people type them: other words than the corpus' grammar has, in six styles, without a stop at the end.

A model that is trained on captions of one grammar can lean on how they are made. Held-out scenes whose captions come
from here tell how much of what it shows survives when somebody else writes.
"""

import numpy as np

from unison_core.corpus.scene import Scene

ACTIONS = {
    "knock": ("knocks on the table", "knocking on the table"), "drum": ("plays the drum", "playing the drum"),
    "clap": ("claps", "clapping"), "bell": ("rings a bell", "ringing a bell"),
    "hammer": ("hammers", "hammering"), "ball": ("bounces a ball", "bouncing a ball"),
    "keyboard": ("types on a keyboard", "typing on a keyboard"), "glass": ("taps a glass", "tapping a glass"),
    "cymbal": ("hits a cymbal", "hitting a cymbal"), "maraca": ("shakes a maraca", "shaking a maraca"),
    "scissors": ("cuts paper with scissors", "cutting paper with scissors"), "horn": ("honks a horn", "honking a horn"),
    "camera": ("takes a photo", "taking a photo"), "stamp": ("stamps a letter", "stamping a letter"),
}  # fmt: skip
"""What somebody does: `a woman ...`, `a woman is ...`."""
AMBIENCES = {
    "rain": ("in the rain", "rain"), "waves": ("by the sea", "waves"), "wind": ("in the wind", "wind"),
    "engine": ("next to a running engine", "engine"), "fire": ("by a fire", "fire"),
    "birds": ("while birds sing", "birds"),
}  # fmt: skip
"""Where it is heard, and its bare name."""
VOICES = {"rms": " in a deep voice", "awb": " with a Scottish accent", "kal16": " in a robotic voice"}
"""How men talk; women have one voice."""


def plain_caption(scene: Scene, rng: np.random.Generator) -> str:
    """Describe `scene` (its own `caption` is not read) in one of the styles."""
    look = scene.look
    human = "woman" if look.woman else "man"
    bald = look.hair_style == "bald"
    clothes = f"{look.clothes} {look.garment}"
    does = [ACTIONS[scene.action]] if scene.action else []
    if scene.voice:
        voice = VOICES.get(scene.voice, "")
        does.insert(0, (f"talks{voice}", f"talking{voice}"))
    does = does or [("sits", "sitting")]
    acts, acting = (" and ".join(form[i] for form in does) for i in range(2))
    around, ambience = AMBIENCES.get(scene.ambience or "", ("", ""))
    hair = "a bald head" if bald else f"{look.hair} hair"
    article = "an" if clothes[0] in "aeiou" else "a"
    styles = (
        f"A {human} with {hair} in {article} {clothes} {acts} {around}",
        f"a {human} in {article} {clothes} {acts} {around} in front of a {look.background} wall",
        f"{human}, {hair}, {clothes}, {acting.replace(' and ', ', ')}, {look.background} background, {ambience}",
        f"Video of a {'bald ' if bald else ''}{human} wearing {article} {clothes}, {acting} {around}",
        f"The {human} has {hair} and wears {article} {clothes}. The {human} {acts} {around}",
        f"a {human} is {acting} {around}, {clothes}, {hair}, {look.background} wall",
    )
    return " ".join(styles[rng.integers(len(styles))].split()).rstrip(" ,").replace(" ,", ",")
