"""Neck, shoulders and the four garments, in body coordinates: origin at the base of the neck."""

import skia

from unison_core.corpus.motion import Idle, stream
from unison_core.corpus.picture.layout import Layout
from unison_core.corpus.picture.pen import (
    Color,
    bezier,
    dark,
    fill,
    ink,
    light,
    line,
    mix,
    moved,
    oval,
    polygon,
    ramp,
    record,
    smooth,
)
from unison_core.corpus.scene import Scene


def shoulder_half(woman: bool) -> float:
    """Half the width of the shoulders."""
    return 25.5 if woman else 31.0


class Body:
    """Draws neck and clothed torso of one scene."""

    def __init__(self, scene: Scene, layout: Layout, idle: Idle) -> None:
        self.look, self.layout, self.idle = scene.look, layout, idle
        self.half = shoulder_half(scene.look.woman)
        rng = stream(scene, "body")
        self.inner: Color = ((240, 236, 226), (72, 76, 92), (214, 206, 190))[int(rng.integers(3))]
        self.striped = bool(rng.random() < 0.5)
        self.picture = record(self._record)

    def draw(self, canvas: skia.Canvas, frame: int) -> None:
        """Torso, breathing."""
        lay, breath = self.layout, float(self.idle.breath[frame])
        sway = 0.25 * float(self.idle.sway_x[frame])
        with moved(canvas, lay.neck_x + sway, lay.neck_y + 0.6 * breath, 0.0, lay.scale, lay.scale):
            canvas.drawPicture(self.picture)

    def _record(self, canvas: skia.Canvas) -> None:
        cloth, w, lit = self.layout.palette.clothes, self.half, self.layout.window_side
        self._neck(canvas)
        torso = bezier(
            (-7.5, -3.5), -11, 0.5, -w * 0.66, 1.5, -w * 0.86, 5, -w * 1.06, 9, -w * 1.05, 20, -w * 1.03, 40,
            -w * 0.3, 40, w * 0.3, 40, w * 1.03, 40, w * 1.05, 20, w * 1.06, 9, w * 0.86, 5, w * 0.66, 1.5,
            11, 0.5, 7.5, -3.5, 4, 2.5, -4, 2.5, -7.5, -3.5,
        )  # fmt: skip
        canvas.drawPath(
            torso, ramp((-lit * w, 4), (lit * w, 14), [ink(dark(cloth, 0.2)), ink(cloth), ink(light(cloth, 0.1))])
        )
        for sign in (-1, 1):  # the fold between arm and chest
            canvas.drawPath(bezier((sign * w * 0.7, 14), sign * w * 0.66, 20, sign * w * 0.7, 28, sign * w * 0.68, 40),
                            line(dark(cloth, 0.42), 1.3, 0.5))  # fmt: skip
        {"sweater": self._sweater, "shirt": self._shirt, "coat": self._coat, "jacket": self._jacket}[self.look.garment](
            canvas
        )

    def _neck(self, canvas: skia.Canvas) -> None:
        skin = self.layout.palette.skin
        half = 6.0 if self.look.woman else 7.0
        neck = bezier((-half, -18), -half, -6, -half - 0.5, -3, -half - 3.5, 0, -3, 6, 3, 6, half + 3.5, 0,
                      half + 0.5, -3, half, -6, half, -18)  # fmt: skip
        canvas.drawPath(neck, fill(dark(skin, 0.08)))
        canvas.drawPath(
            bezier((-half, -15), -half, -5, half, -5, half, -15), fill(dark(mix(skin, (150, 60, 50), 0.2), 0.3), 0.75)
        )

    def _sweater(self, canvas: skia.Canvas) -> None:
        cloth, w = self.layout.palette.clothes, self.half
        if self.striped:
            for y in (14.5, 19.5):
                canvas.drawPath(
                    smooth([(-w, y), (0, y + 1.6), (w, y)], False),
                    line(light(mix(cloth, (128, 128, 128), 0.15), 0.42), 2.2),
                )
        ribs = skia.Path()
        for x in range(-int(w) + 4, int(w) - 2, 4):
            ribs.moveTo(x, 26 if self.striped else 16)
            ribs.lineTo(x, 40)
        canvas.drawPath(ribs, line(dark(cloth, 0.25), 0.7, 0.4))
        collar = bezier((-8.5, -4), -5, 5, 5, 5, 8.5, -4)
        canvas.drawPath(collar, line(dark(cloth, 0.3), 4.4))
        canvas.drawPath(collar, line(light(cloth, 0.08), 3.2))

    def _shirt(self, canvas: skia.Canvas) -> None:
        cloth = self.layout.palette.clothes
        canvas.drawPath(polygon([(-6, -2), (0, 7), (6, -2)]), fill(self.layout.palette.skin))
        canvas.drawPath(polygon([(-6, -2), (0, 7), (6, -2)]), fill(dark(self.layout.palette.skin, 0.5), 0.3))
        for sign in (-1, 1):
            canvas.drawPath(
                polygon([(sign * 8.5, -5), (sign * 0.4, 6.5), (sign * 7, 11), (sign * 12.5, 0)]),
                fill(light(cloth, 0.16)),
            )
            canvas.drawPath(
                polygon([(sign * 0.4, 6.5), (sign * 7, 11), (sign * 12.5, 0)], False), line(dark(cloth, 0.38), 1.0, 0.8)
            )
        canvas.drawPath(polygon([(0, 7), (0, 40)], False), line(dark(cloth, 0.36), 1.0, 0.7))
        for y in (11, 18, 25, 32):
            oval(canvas, 2.2, y, 1.1, 1.1, fill(light(cloth, 0.55) if sum(cloth) < 560 else dark(cloth, 0.4)))
        canvas.drawPath(polygon([(8, 17), (16, 17), (16, 25), (12, 27.5), (8, 25)]), line(dark(cloth, 0.32), 0.9, 0.6))

    def _coat(self, canvas: skia.Canvas) -> None:
        cloth = self.layout.palette.clothes
        canvas.drawPath(polygon([(-6.5, -3), (0, 15), (6.5, -3), (0, 4)]), fill(self.inner))
        canvas.drawPath(bezier((-6.5, -3), -4, 3, 4, 3, 6.5, -3, 3, 6, -3, 6, -6.5, -3), fill(dark(self.inner, 0.22)))
        for sign in (-1, 1):
            lapel = polygon(
                [
                    (sign * 7, -6),
                    (sign * 12, -1),
                    (sign * 17, 7),
                    (sign * 12.5, 8.5),
                    (sign * 14.5, 12),
                    (0, 27),
                    (sign * 1.5, 15),
                ]
            )
            canvas.drawPath(lapel, fill(mix(dark(cloth, 0.28), light(cloth, 0.2), 0.25 if sign < 0 else 0.4)))
            canvas.drawPath(lapel, line(dark(cloth, 0.5), 0.8, 0.7))
        canvas.drawPath(polygon([(0, 27), (0, 40)], False), line(dark(cloth, 0.45), 1.1, 0.8))
        for x in (-5.5, 5.5):
            oval(canvas, x, 29, 1.5, 1.5, fill(dark(cloth, 0.62) if sum(cloth) > 200 else (150, 140, 120)))

    def _jacket(self, canvas: skia.Canvas) -> None:
        cloth = self.layout.palette.clothes
        canvas.drawPath(bezier((-6.5, -3), -4.5, 4, 4.5, 4, 6.5, -3, 6, 20, 5, 30, 4.5, 40, 2, 40, -2, 40, -4.5, 40,
                               -5, 30, -6, 20, -6.5, -3), fill(self.inner))  # fmt: skip
        canvas.drawPath(bezier((-6.5, -2), -4, 4.5, 4, 4.5, 6.5, -2), line(dark(self.inner, 0.25), 1.3))
        for sign in (-1, 1):
            canvas.drawPath(
                bezier((sign * 6.6, -4), sign * 6, 16, sign * 5, 30, sign * 4.6, 40), line((206, 208, 214), 1.2)
            )
            collar = polygon(
                [(sign * 6.4, -8), (sign * 10.5, -5.5), (sign * 14, 2.5), (sign * 8.5, 6.5), (sign * 6.2, 1)]
            )
            canvas.drawPath(collar, fill(mix(cloth, light(cloth, 0.3), 0.5)))
            canvas.drawPath(collar, line(dark(cloth, 0.42), 0.9, 0.7))
            canvas.drawPath(polygon([(sign * 11, 20), (sign * 17.5, 24)], False), line(dark(cloth, 0.5), 1.3, 0.8))
