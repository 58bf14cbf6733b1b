"""The head: face, eyes, nose, a mouth whose inside can be measured, ears, glasses, hair.

The open mouth's inside is filled with `MOUTH_INSIDE`, which nothing else uses, so its area tells the opening.
"""

import skia

from unison_core.corpus.motion import Idle, stream
from unison_core.corpus.mouth import MouthShape
from unison_core.corpus.picture.hair import back_hair, front_hair
from unison_core.corpus.picture.layout import Layout
from unison_core.corpus.picture.pen import (
    Color,
    bezier,
    dark,
    fill,
    glow,
    ink,
    light,
    line,
    mix,
    moved,
    oval,
    polygon,
    ramp,
    record,
    rgb,
    smooth,
)
from unison_core.corpus.scene import MOUTH_INSIDE, Scene

INSIDE = rgb(MOUTH_INSIDE)
MOUTH_Y, EYE_X, EYE_Y = 13.0, 7.4, -1.5
FULL_OPEN = 9.0
"""Height of a fully open mouth, in units at medium framing."""
JAW_DROP = 4.0
CENTRE_Y = -35.0
"""Head's centre above the base of the neck."""
IRISES: tuple[Color, ...] = ((74, 50, 34), (62, 110, 160), (70, 125, 84), (98, 74, 44))


class Head:
    """Draws the head of one scene; paths and shaders that do not change are made once."""

    def __init__(self, scene: Scene, layout: Layout, idle: Idle, mouth: MouthShape) -> None:
        rng = stream(scene, "head")
        self.look, self.layout, self.idle, self.mouth = scene.look, layout, idle, mouth
        woman, skin, hair = scene.look.woman, layout.palette.skin, layout.palette.hair
        self.iris = IRISES[int(rng.integers(len(IRISES)))]
        self.half = rng.uniform(16.2, 16.9) if woman else rng.uniform(16.8, 17.8)
        self.smile = rng.uniform(0.5, 1.5)
        lip = mix(skin, (196, 62, 74), rng.uniform(0.5, 0.75)) if woman else mix(skin, (176, 84, 76), 0.45)
        self.lip = light(lip, 0.12) if sum(skin) < 260 else lip
        self.brow = dark(hair, 0.15) if sum(hair) > 330 else light(hair, 0.06)
        part = rng.uniform(-1, 1)
        self.shave = rng.uniform(0.04, 0.13)
        self.face = ramp(
            (-14 * layout.window_side, -6), (20 * layout.window_side, 8), [ink(dark(skin, 0.13)), ink(light(skin, 0.1))]
        )
        style = scene.look.hair_style
        self.back = record(lambda canvas: back_hair(canvas, style, woman, hair))
        self.front = record(lambda canvas: front_hair(canvas, style, woman, hair, part))
        self.under = record(self._ears)
        self.details = record(self._cheeks)
        self.frame_color: Color = ((40, 38, 46), (120, 62, 40), (60, 72, 110))[int(rng.integers(3))]

    def place(self, canvas: skia.Canvas, frame: int):
        """Coordinates of the head at `frame`."""
        idle, lay = self.idle, self.layout
        return moved(
            canvas,
            lay.neck_x + lay.scale * idle.sway_x[frame],
            lay.neck_y + lay.scale * (CENTRE_Y + idle.nod_y[frame] + 0.6 * idle.breath[frame]),
            float(idle.roll[frame]), lay.scale, lay.scale,
        )  # fmt: skip

    def draw_back(self, canvas: skia.Canvas, frame: int) -> None:
        """Hair behind the shoulders."""
        with self.place(canvas, frame):
            canvas.drawPicture(self.back)

    def draw(self, canvas: skia.Canvas, frame: int) -> None:
        """Everything in front of the neck."""
        opening = float(self.mouth.opening[frame])
        with self.place(canvas, frame):
            canvas.drawPicture(self.under)
            canvas.drawPath(self._outline(JAW_DROP * opening), self.face)
            turn = float(self.idle.turn[frame])
            with moved(canvas, 1.3 * turn, 0.45 * float(self.idle.nod_y[frame])):
                canvas.drawPicture(self.details)
                self._eyes(canvas, frame)
                self._mouth(canvas, opening, float(self.mouth.spread[frame]))
                if self.look.glasses:
                    self._glasses(canvas)
            with moved(canvas, 0.3 * turn):
                canvas.drawPicture(self.front)

    def _outline(self, drop: float) -> skia.Path:
        w = self.half
        jaw, chin = (0.66, 3.6) if self.look.woman else (0.80, 5.6)
        right = [(w * 0.62, -19.5), (w, -8), (w * 0.98, 4), (w * jaw, 17 + 0.7 * drop), (chin, 24 + drop)]
        return smooth([(0, -22.5), *right, *[(-x, y) for x, y in reversed(right)]])

    def _ears(self, canvas: skia.Canvas) -> None:
        skin = self.layout.palette.skin
        for sign in (-1, 1):
            oval(canvas, sign * (self.half + 0.6), 1.5, 3.2, 4.6, fill(dark(skin, 0.1)))
            oval(canvas, sign * (self.half + 0.8), 1.5, 1.6, 2.8, fill(dark(skin, 0.24)))
            if self.look.woman and self.look.hair_style in ("bun", "bald"):
                oval(canvas, sign * (self.half + 1.4), 7.6, 1.5, 1.5, fill((240, 202, 88)))

    def _cheeks(self, canvas: skia.Canvas) -> None:
        """Blush, forehead shadow and nose."""
        skin = self.layout.palette.skin
        blush = mix(skin, (226, 74, 74), 0.6)
        if not self.look.woman:
            self._stubble(canvas)
        for sign in (-1, 1):
            oval(canvas, sign * 9.6, 7.5, 4.6, 3.4,
                 glow((sign * 9.6, 7.5), 4.6, [ink(blush, 0.38 if self.look.woman else 0.22), ink(blush,
                 0.0)]))  # fmt: skip
        nose = dark(mix(skin, (190, 80, 60), 0.25), 0.22)
        side = -self.layout.window_side
        canvas.drawPath(
            bezier((side * 0.9, 0.5), side * 1.6, 3, side * 3.0, 5.2, side * 2.6, 6.4, side * 1.8, 7.6, -side, 7.6,
                   -side * 1.8, 6.6),
            line(nose, 1.15 if not self.look.woman else 0.95, 0.85),
        )  # fmt: skip
        oval(canvas, -side * 0.6, 4.8, 1.1, 1.5, fill((255, 255, 255), 0.2))

    def _stubble(self, canvas: skia.Canvas) -> None:
        """A shaven man's shadow around mouth and jaw."""
        tone = mix(self.layout.palette.hair, (60, 56, 66), 0.5)
        w = self.half
        jaw = bezier((-w * 0.97, 4), -w * 0.9, 13, -w * 0.7, 20, -5.6, 24, -2, 25, 2, 25, 5.6, 24, w * 0.7, 20,
        w * 0.9, 13, w * 0.97, 4,
                     w * 0.7, 9, 6, 8.4, 0, 9.2, -6, 8.4, -w * 0.7, 9, -w * 0.97, 4)  # fmt: skip
        canvas.drawPath(jaw, fill(tone, self.shave))

    def _eyes(self, canvas: skia.Canvas, frame: int) -> None:
        idle, woman = self.idle, self.look.woman
        opened = 1.0 - float(idle.blink[frame]) - 0.22 * float(idle.gaze_y[frame])
        lash: Color = (34, 24, 30)
        gx, gy, lift = 1.2 * float(idle.gaze_x[frame]), 0.9 * float(idle.gaze_y[frame]), 1.3 * float(idle.brow[frame])
        for sign in (-1, 1):
            x, ry = sign * EYE_X, (3.2 if woman else 2.8) * opened
            if opened > 0.3:
                oval(canvas, x, EYE_Y, 3.9, ry, fill((252, 250, 247)))
                size = min(2.3, ry)  # the lids cover what would look out
                oval(canvas, x + gx, EYE_Y + gy, 2.3, size, fill(self.iris))
                oval(canvas, x + gx, EYE_Y + gy, 1.2, min(1.2, ry), fill((18, 14, 18)))
                oval(canvas, x + gx + 0.8, EYE_Y + gy - 0.4 * size, 0.65, 0.65, fill((255, 255, 255)))
                top = EYE_Y - ry
                canvas.drawPath(
                    bezier((x - 4.1, EYE_Y), x - 2.6, top - 0.7, x + 2.6, top - 0.7, x + 4.1, EYE_Y),
                    line(lash, 1.5 if woman else 1.05),
                )
                if woman:
                    tip = x + sign * 4.0
                    canvas.drawPath(
                        polygon([(tip, EYE_Y - 0.3), (tip + sign * 1.5, EYE_Y - 2.0)], False), line(lash, 1.1)
                    )
            else:
                canvas.drawPath(
                    bezier((x - 4, EYE_Y), x - 2, EYE_Y + 1.7, x + 2, EYE_Y + 1.7, x + 4, EYE_Y),
                    line(lash, 1.4 if woman else 1.1),
                )
            y = EYE_Y - (6.2 if woman else 5.4) - lift
            canvas.drawPath(
                bezier(
                    (x - sign * 3.8, y + 0.8), x - sign * 1.5, y - 0.9, x + sign * 2, y - 1.2, x + sign * 4.6, y + 0.9
                ),
                line(self.brow, 1.25 if woman else 2.1),
            )

    def _mouth(self, canvas: skia.Canvas, opening: float, spread: float) -> None:
        woman = self.look.woman
        wide = (6.9 if woman else 7.4) * (1 + (0.1 if spread > 0 else 0.3) * spread)
        full = (1.75 if woman else 1.1) * (1 + 0.25 * max(-spread, 0.0))  # lip thickness
        height = FULL_OPEN * opening
        top, bottom = MOUTH_Y - 0.16 * height, MOUTH_Y + 0.84 * height
        corner = MOUTH_Y - (self.smile if opening < 0.05 else self.smile * (1 - opening)) * 0.6 + 0.2 * height
        k = 0.62 * wide
        outer = bezier(
            (-wide - 0.6, corner), -k, top - 1.7 * full, -1.6, top - 1.5 * full, 0, top - 0.8 * full,
            1.6, top - 1.5 * full, k, top - 1.7 * full, wide + 0.6, corner,
            k, bottom + 1.9 * full, -k, bottom + 1.9 * full, -wide - 0.6, corner,
        )  # fmt: skip
        canvas.drawPath(outer, fill(self.lip))
        if height < 0.55:
            canvas.drawPath(
                bezier((-wide, corner), -k, MOUTH_Y + 0.5, k, MOUTH_Y + 0.5, wide, corner),
                line(dark(self.lip, 0.42), 1.1),
            )
            return
        # cubic control points overshoot by 4/3 so that the curve reaches top and bottom
        up, down = corner + (top - corner) * 4 / 3, corner + (bottom - corner) * 4 / 3
        inner = bezier((-wide, corner), -k, up, k, up, wide, corner, k, down, -k, down, -wide, corner)
        canvas.drawPath(inner, fill(INSIDE))
        if opening > 0.3:
            _lens(canvas, 0.58 * wide, corner + 0.75 * (top - corner), top, top + 1.5 * opening, (246, 242, 236))
            if opening > 0.55:
                _lens(
                    canvas,
                    0.5 * wide,
                    corner + 0.75 * (bottom - corner),
                    bottom,
                    bottom - 2.6 * (opening - 0.3),
                    (196, 84, 92),
                )
        canvas.drawPath(bezier((-k, bottom + 1.1 * full), -2, bottom + 1.6 * full, 2, bottom + 1.6 * full, k,
        bottom + 1.1 * full),
                        line(light(self.lip, 0.25), 0.7, 0.5))  # fmt: skip

    def _glasses(self, canvas: skia.Canvas) -> None:
        paint = line(self.frame_color, 1.25)
        for sign in (-1, 1):
            oval(canvas, sign * EYE_X, EYE_Y + 0.4, 5.9, 5.2, fill((255, 255, 255), 0.14))
            oval(canvas, sign * EYE_X, EYE_Y + 0.4, 5.9, 5.2, paint)
            canvas.drawPath(polygon([(sign * 13.2, EYE_Y - 0.6), (sign * 17, EYE_Y - 1.6)], False), paint)
        canvas.drawPath(bezier((-1.6, EYE_Y), -0.8, EYE_Y - 1, 0.8, EYE_Y - 1, 1.6, EYE_Y), paint)


def _lens(canvas: skia.Canvas, half: float, ends: float, outer: float, inner: float, color: Color) -> None:
    """Teeth or tongue: between the lip's curve, which it reaches at `outer`, and a curve through `inner`."""
    far, near = ends + (outer - ends) * 4 / 3, ends + (inner - ends) * 4 / 3
    shape = bezier(
        (-half, ends), -0.5 * half, far, 0.5 * half, far, half, ends, 0.5 * half, near, -0.5 * half, near, -half, ends
    )
    canvas.drawPath(shape, fill(color))
