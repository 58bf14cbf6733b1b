"""What a corpus clip shows and says: the complete, seeded description from which picture, sound and caption are made.

A `Scene` knows the truth. Renderer, foley and captions read it and nothing else, so they agree by construction.
"""

from dataclasses import dataclass

VOICES = ("slt", "rms", "awb", "kal16")
"""flite voices: a woman, a man, a Scottish man, a man with a robotic voice."""

ACTIONS = (
    "knock", "drum", "clap", "bell", "hammer", "ball", "keyboard",
    "glass", "cymbal", "maraca", "scissors", "horn", "camera", "stamp",
)  # fmt: skip
"""Actions that sound at the moment of contact, done with the hands at a table in front of the person."""

AMBIENCES = ("rain", "waves", "wind", "engine", "fire", "birds")
"""Sounds of the surroundings; each is visible in the background as well."""

SKINS = {"pale": "#f6d7c3", "fair": "#eebf9f", "tan": "#cf9468", "brown": "#9a6440", "dark": "#5f3b26"}
HAIRS = {"black": "#1e1a1c", "brown": "#5b3a21", "blond": "#e3bf62", "red": "#b5482a", "grey": "#a5a6ab"}
CLOTHES = {
    "red": "#c8322f", "orange": "#e57f22", "yellow": "#ecc52c", "green": "#2f9147",
    "blue": "#2b5fc0", "purple": "#7b3f9e", "white": "#eeeeea", "black": "#28292d",
}  # fmt: skip
BACKGROUNDS = {
    "beige": "#e2d3b5", "grey": "#b4b9c0", "teal": "#4f9a98", "pink": "#e5aebb",
    "navy": "#33466e", "mint": "#a9d8bd",
}  # fmt: skip
MOUTH_INSIDE = "#4a0f17"
"""Colour of the open mouth's inside, used for nothing else: its area is how opening is measured."""

HAIR_STYLES = ("short", "long", "bun", "curly", "bald")
GARMENTS = ("coat", "sweater", "shirt", "jacket")
FRAMINGS = ("close", "medium", "wide")


@dataclass(frozen=True, kw_only=True)
class Look:
    """How the person and the place look; colours are keys of the tables above."""

    woman: bool
    skin: str
    hair: str
    hair_style: str
    garment: str
    clothes: str
    background: str
    framing: str
    glasses: bool
    offset_x: float
    """Horizontal place of the person, -1 (left) to 1 (right), a small range of the picture."""


@dataclass(frozen=True, kw_only=True)
class Phone:
    """One spoken phone (flite's ARPAbet name, `pau` for silence) with its start and end in clip seconds."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One clip, completely described.

    Attributes:
        seed: drives every remaining random choice (idle motion, ambience noise, strike strength).
        frames: pixel frames, 4k+1.
        voice, transcript, phones: speech; None, "" and () when nobody speaks.
        span_s: (start, end) of the speech within the clip; None when nobody speaks.
        action: one of ACTIONS or None. events_s: the moments of contact, ascending.
        ambience: one of AMBIENCES or None.
        caption: the text that a user would write for this clip.
    """

    seed: int
    frames: int
    fps: float
    look: Look
    voice: str | None
    transcript: str
    phones: tuple[Phone, ...]
    span_s: tuple[float, float] | None
    action: str | None
    events_s: tuple[float, ...]
    ambience: str | None
    caption: str

    @property
    def duration_s(self) -> float:
        """Length of the clip in seconds."""
        return self.frames / self.fps
