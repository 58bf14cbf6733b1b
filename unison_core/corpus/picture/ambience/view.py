"""What a pane shows when nothing sounds outside: the base of the ambiences.

Pane coordinates: 40 wide, 48 high, origin at its upper left corner; `time` in seconds. A view answers with what stands
still (rasterised once) and with what moves.
"""

import math

import skia

from unison_core.corpus.motion import stream
from unison_core.corpus.picture.pen import Color, block, fill, ink, oval, ramp, smooth
from unison_core.corpus.scene import Scene

WIDTH, HEIGHT = 40.0, 48.0


class View:
    """A calm view: sky, sun or clouds, hills. Base of the others."""

    def __init__(self, scene: Scene) -> None:
        self.rng = stream(scene, "ambience")
        self.phase = self.rng.uniform(0, 2 * math.pi, size=8)

    def still(self, canvas: skia.Canvas) -> None:
        """The part that does not move."""
        sky(canvas, (146, 200, 236), (226, 242, 248))
        x = 8 + 3.0 * float(self.phase[0])
        oval(canvas, x, 11, 4.5, 4.5, fill((255, 244, 190)))
        for cx, cy, size in ((12, 17, 1.0), (28, 9, 0.8)):
            for dx, r in ((-4, 2.6), (0, 3.6), (4, 2.8)):
                oval(canvas, cx + dx * size, cy - r * 0.3, r * size, r * 0.75 * size, fill((255, 255, 255), 0.9))
        hill(canvas, (112, 170, 122), 33)
        hill(canvas, (84, 146, 92), 39)

    def moving(self, canvas: skia.Canvas, time: float) -> None:
        """The part that moves."""


def sky(canvas: skia.Canvas, top: Color, bottom: Color) -> None:
    """The whole pane, lighter towards the horizon."""
    block(canvas, -2, -2, WIDTH + 2, HEIGHT + 2, ramp((0, 0), (0, 34), [ink(top), ink(bottom)]))


def hill(canvas: skia.Canvas, color: Color, y: float) -> None:
    """Rolling ground whose top is at about `y`."""
    canvas.drawPath(smooth([(-8, 60), (-4, y), (10, y - 3), (24, y + 2), (44, y - 2), (50, 60)]), fill(color))
