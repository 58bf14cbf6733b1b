"""An engine, a fire and birds."""

import math

import skia

from unison_core.corpus.picture.ambience.view import HEIGHT, WIDTH, View, hill, sky
from unison_core.corpus.picture.pen import (
    Color,
    bezier,
    block,
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
)
from unison_core.corpus.scene import Scene


class Engine(View):
    """A tractor runs on the spot: it shakes, and puffs from its exhaust."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        tints: tuple[Color, ...] = ((206, 52, 44), (46, 120, 66), (44, 92, 170))
        self.tint = tints[int(self.rng.integers(3))]
        self.rate_hz = float(self.rng.uniform(2.6, 3.6))

    def still(self, canvas: skia.Canvas) -> None:
        sky(canvas, (174, 210, 232), (238, 240, 226))
        hill(canvas, (150, 180, 112), 31)
        block(canvas, 0, 40, WIDTH, HEIGHT, fill((150, 132, 104)))
        block(canvas, 0, 40, WIDTH, 41.4, fill((120, 150, 84)))

    def moving(self, canvas: skia.Canvas, time: float) -> None:
        for i in range(5):
            age = (self.rate_hz * time + self.phase[0] + i) % 5
            x, y = 30.5 - 2.4 * age + math.sin(age * 2 + i), 12.5 - 4.6 * age
            oval(canvas, x, y, 1.6 + 1.3 * age, 1.4 + 1.1 * age, fill((74, 74, 82), 0.72 * (1 - age / 5)))
        shake = 0.75 * math.sin(2 * math.pi * 9.3 * time + self.phase[1])
        with moved(canvas, 0.35 * shake, shake, 0.6 * math.sin(2 * math.pi * 7.1 * time)):
            tint = self.tint
            canvas.drawPath(polygon([(30.5, 24), (30.5, 14)], False), line((66, 66, 74), 2.2))
            block(canvas, 6, 12.5, 21, 14.8, fill(dark(tint, 0.35)), 1)
            for x in (7.5, 19):
                canvas.drawPath(polygon([(x, 14), (x, 27)], False), line(dark(tint, 0.25), 1.5))
            block(canvas, 8, 15, 18.6, 25, fill((206, 232, 244), 0.8))
            canvas.drawPath(bezier((4, 24), 8, 21, 20, 23, 21, 23, 26, 22.4, 32, 22.4, 36, 24, 37, 27, 37, 31,
            36.5, 34, 26, 35, 12, 35, 5, 34,
                                   4, 30, 4, 26, 4, 24), ramp((0, 22), (0, 35), [ink(light(tint, 0.25)),
                                   ink(dark(tint, 0.15))]))  # fmt: skip
            for y in (26, 28.4, 30.8):
                canvas.drawPath(polygon([(29, y), (34.5, y)], False), line(dark(tint, 0.5), 1.0))
            oval(canvas, 36, 26.5, 1.4, 1.6, fill((255, 244, 190)))
        for x, y, r in ((12, 35, 9.0), (32, 38.5, 5.4)):
            oval(canvas, x, y, r, r, fill((44, 42, 48)))
            oval(canvas, x, y, 0.58 * r, 0.58 * r, fill((236, 196, 72)))
            for i in range(5):
                angle = 2 * math.pi * i / 5 + 0.4 * math.sin(18 * time)
                oval(
                    canvas,
                    x + 0.36 * r * math.cos(angle),
                    y + 0.36 * r * math.sin(angle),
                    0.1 * r,
                    0.1 * r,
                    fill((110, 84, 30)),
                )


class Fire(View):
    """Flames on logs in a fireplace."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.sparks = self.rng.uniform((8, 0, 0.6), (32, 1, 1.3), size=(8, 3))

    def still(self, canvas: skia.Canvas) -> None:
        block(canvas, -4, -4, WIDTH + 4, HEIGHT + 4, ramp((0, 0), (0, HEIGHT), [ink((30, 28, 34)), ink((62, 44, 38))]))

    def moving(self, canvas: skia.Canvas, time: float) -> None:
        flicker = 1 + 0.1 * math.sin(13 * time + self.phase[0]) + 0.08 * math.sin(23 * time + self.phase[1])
        oval(
            canvas,
            20,
            36,
            24 * flicker,
            26 * flicker,
            glow((20, 36), 26 * flicker, [ink((255, 150, 50), 0.75), ink((255, 110, 30), 0)]),
        )
        with moved(canvas, 20, 46):
            for angle in (14, -12):
                with moved(canvas, 0, -2, angle):
                    block(canvas, -15, -3, 15, 2.4, fill((92, 60, 44)), 2.4)
                    oval(canvas, 14 if angle > 0 else -14, -0.3, 1.8, 2.7, fill((188, 138, 92)))
        flames: tuple[tuple[Color, float, float], ...] = (
            ((232, 84, 26), 1.0, 30), ((250, 146, 36), 0.74, 23), ((255, 212, 84), 0.5, 15), ((255, 246, 204), 0.26, 8),
        )  # fmt: skip
        for layer, (tint, width, height) in enumerate(flames):
            tongues = []
            for i in range(5):
                wobble = math.sin(8.1 * time + 1.9 * i + self.phase[i % 8] + 0.5 * layer) + 0.6 * math.sin(
                    15.7 * time + 2.3 * i + layer
                )
                tongues.append(
                    (
                        1 - 0.42 * abs(i - 2) + 0.16 * wobble,
                        2.2 * math.sin(6.3 * time + 1.4 * i + self.phase[(i + 3) % 8]),
                    )
                )
            base, half = 45.0, 15 * width
            path = skia.Path()
            path.moveTo(20 - half, base - 3)
            for i, (tall, lean) in enumerate(tongues):
                left, right = 20 - half + half * 0.4 * i, 20 - half + half * 0.4 * (i + 1)
                x = 0.5 * (left + right) + lean * (0.4 + width)
                y = base - 3 - height * max(tall, 0.15)
                path.cubicTo(left - 0.6, base - 0.5 * height * tall, x - 0.5, y + 0.35 * height, x, y)
                path.cubicTo(
                    x + 0.5,
                    y + 0.35 * height,
                    right + 0.6,
                    base - 0.5 * height * tall,
                    right,
                    base - 3 - (2.5 if i < 4 else 0),
                )
            path.cubicTo(20 + half, base + 2, 20 - half, base + 2, 20 - half, base - 3)
            path.close()
            canvas.drawPath(path, fill(tint, 0.95))
        for x, start, speed in self.sparks:
            rise = (start + speed * time * 0.8) % 1.0
            oval(canvas, x + 3 * math.sin(7 * rise + x), 40 - 38 * rise, 0.9, 0.9, fill((255, 206, 96), 1 - rise))


class Birds(View):
    """Two birds sing and hop on a branch; others fly past."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        tints: tuple[Color, ...] = ((206, 66, 52), (50, 110, 180), (236, 178, 44), (98, 88, 90))
        self.tints = [tints[int(i)] for i in self.rng.permutation(4)[:2]]
        self.starts = self.rng.uniform(0, 60, size=3)

    def still(self, canvas: skia.Canvas) -> None:
        sky(canvas, (152, 208, 238), (236, 246, 238))
        hill(canvas, (128, 180, 118), 40)
        canvas.drawPath(bezier((-2, 40), 10, 35, 24, 38, 42, 33), line((112, 76, 52), 2.8))
        canvas.drawPath(bezier((30, 36), 33, 31, 35, 27, 39, 24), line((112, 76, 52), 1.7))
        for x, y, degrees in ((35, 27, -40), (39, 24, 20), (4, 36, -60), (24, 40, 70), (31, 31, -110)):
            with moved(canvas, x, y, degrees):
                oval(canvas, 2.6, 0, 3.2, 1.5, fill((98, 158, 84)))

    def moving(self, canvas: skia.Canvas, time: float) -> None:
        for i, start in enumerate(self.starts):
            x, y = (start + (15 + 3 * i) * time) % 64 - 10, 6 + 6 * i + 1.5 * math.sin(3 * time + self.phase[i])
            flap = 3.0 * math.sin(2 * math.pi * 3.4 * time + self.phase[i + 2])
            wings = bezier((x - 5, y - flap), x - 2.5, y - 1.6 - 0.4 * flap, x - 1, y - 0.6, x, y + 0.6,
                           x + 1, y - 0.6, x + 2.5, y - 1.6 - 0.4 * flap, x + 5, y - flap)  # fmt: skip
            canvas.drawPath(wings, line((62, 66, 84), 1.4))
        for i, (x, y, sign, tint) in enumerate(((11.0, 31.5, 1, self.tints[0]), (26.0, 31.0, -1, self.tints[1]))):
            song = math.sin(2 * math.pi * 0.55 * time + self.phase[i] + 2.4 * i) > -0.25
            beak = max(math.sin(2 * math.pi * 4.6 * time + self.phase[i + 4]), 0.0) if song else 0.0
            hop = 2.2 * max(math.sin(2 * math.pi * 0.9 * time + self.phase[i + 5]) - 0.72, 0) / 0.28
            _songbird(canvas, x, y - hop, sign, tint, beak)


def _songbird(canvas: skia.Canvas, x: float, y: float, sign: int, tint: Color, beak: float) -> None:
    """A small bird that looks to `sign`; `beak` opens from 0 to 1."""
    with moved(canvas, x, y, 0, sign, 1):
        canvas.drawPath(polygon([(-4, 1), (-11, 4.4), (-9.6, 1.2), (-4, -1.5)]), fill(dark(tint, 0.35)))
        for leg in (-0.8, 1.2):
            canvas.drawPath(polygon([(leg, 4), (leg, 6.6)], False), line((110, 70, 40), 0.8))
        oval(canvas, 0, 0.6, 6.0, 4.6, fill(tint))
        oval(canvas, 1.8, 2.2, 3.6, 2.7, fill(mix(tint, (255, 246, 224), 0.75)))
        with moved(canvas, 4.2, -3.8, -16 * beak):
            oval(canvas, 0, 0, 3.7, 3.5, fill(light(tint, 0.06)))
            canvas.drawPath(polygon([(2.8, -1.2), (7.4, -0.6 - 2.2 * beak), (3.2, 0.5)]), fill((240, 156, 40)))
            canvas.drawPath(polygon([(2.8, 0.5), (6.6, 0.6 + 2.6 * beak), (2.6, 1.6)]), fill((214, 124, 30)))
            oval(canvas, 1.2, -0.9, 0.85, 0.95, fill((20, 18, 24)))
        canvas.drawPath(
            bezier((2, -0.6), -1, -2.6, -5, -1, -6.4, 1.6, -3, 3.6, 1, 2.6, 2, -0.6), fill(dark(tint, 0.25))
        )
