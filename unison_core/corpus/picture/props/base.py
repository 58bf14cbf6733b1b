"""What a prop is: where it wants the hands, and how it looks at each frame.

Prop coordinates: origin where the prop stands on the table, x grows towards the acting hand's side, y downwards,
so that
left- and right-handed scenes are mirror images. A prop answers at frame `k`; contact falls where `Strikes.age` is 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import skia

from unison_core.corpus.motion import Strikes, stream, strikes
from unison_core.corpus.picture.pen import Color, Point, glow, ink, line, oval, strokes
from unison_core.corpus.scene import Scene

MAIN, OTHER = "main", "other"
SPARK: Color = (255, 249, 214)
EMBER: Color = (240, 160, 48)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """A hand's place in prop coordinates; `shape` and `degrees` as in `arms.Grip` (degrees 0 points to +x)."""

    x: float
    y: float
    shape: str = "fist"
    degrees: float | None = None


class Prop:
    """Base of all props: strikes, random colours, and nothing drawn."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.rng = stream(scene, "prop")
        self.strikes: Strikes = strikes(scene)
        self.turn = float(self.rng.uniform(0, 60))

    def hands(self, frame: int) -> Mapping[str, Reach]:
        """Hands that the prop occupies, by MAIN or OTHER; a hand left out rests or gestures."""
        raise NotImplementedError

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        """What the hands pass in front of."""

    def held(self, canvas: skia.Canvas, frame: int) -> None:
        """Tools, in front of sleeves and behind hands."""

    def over(self, canvas: skia.Canvas, frame: int) -> None:
        """What is in front of the hands."""

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        """The bright sign of contact."""

    def spark(
        self, canvas: skia.Canvas, frame: int, x: float, y: float, size: float = 1.0, strike: Strikes | None = None
    ) -> None:
        """Rays and a glow around (x, y): whole in the contact frame, fading in the next three."""
        flash = (strike or self.strikes).flash(frame)
        if flash <= 0:
            return
        radius = 9.0 * size
        oval(canvas, x, y, radius, radius, glow((x, y), radius, [ink(SPARK, 0.85 * flash), ink(SPARK, 0.0)]))
        rays = []
        for ray in range(7):
            angle = math.radians(self.turn + ray * 360 / 7)
            c, s = math.cos(angle) * size, math.sin(angle) * size
            far = 8.0 + 2.5 * (ray % 2)
            rays.append(((x + 4.5 * c, y + 4.5 * s), (x + far * c, y + far * s)))
        star = strokes(*rays)
        canvas.drawPath(star, line(EMBER, 2.5 * size, 0.75 * flash))
        canvas.drawPath(star, line(SPARK, 1.3 * size, flash))


def between(contact: Point, raised: Point, height: float) -> Point:
    """Point at `height` on the way from `contact` (0) to `raised` (1)."""
    return contact[0] + (raised[0] - contact[0]) * height, contact[1] + (raised[1] - contact[1]) * height


def pick(rng: np.random.Generator, *colors: Color) -> Color:
    """One of `colors`."""
    return colors[int(rng.integers(len(colors)))]
