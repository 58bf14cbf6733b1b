"""What the pane shows: rain, waves, wind, an engine, a fire, birds, or a calm view.

Pane coordinates: 40 wide, 48 high, origin at its upper left corner; `time` in seconds. Each view answers with what stands
still (recorded once) and what moves.
"""

import math

import numpy as np
import skia

from unison_core.corpus.motion import stream
from unison_core.corpus.picture.pen import Color, bezier, block, dark, fill, glow, ink, light, line, mix, moved, oval
from unison_core.corpus.picture.pen import polygon, ramp, smooth
from unison_core.corpus.scene import Scene

WIDTH, HEIGHT = 40.0, 48.0


class View:
    """A calm view: sky, sun or clouds, hills. Base of the others."""

    def __init__(self, scene: Scene) -> None:
        self.rng = stream(scene, "ambience")
        self.phase = self.rng.uniform(0, 2 * math.pi, size=8)

    def still(self, canvas: skia.Canvas) -> None:
        """The part that does not move."""
        _sky(canvas, (146, 200, 236), (226, 242, 248))
        x = 8 + 3.0 * float(self.phase[0])
        oval(canvas, x, 11, 4.5, 4.5, fill((255, 244, 190)))
        for cx, cy, size in ((12, 17, 1.0), (28, 9, 0.8)):
            for dx, r in ((-4, 2.6), (0, 3.6), (4, 2.8)):
                oval(canvas, cx + dx * size, cy - r * 0.3, r * size, r * 0.75 * size, fill((255, 255, 255), 0.9))
        _hill(canvas, (112, 170, 122), 33)
        _hill(canvas, (84, 146, 92), 39)

    def moving(self, canvas: skia.Canvas, time: float) -> None:
        """The part that moves."""


class Rain(View):
    """Streaks behind the pane and drops that run down it."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.streaks = self.rng.uniform((0, 0, 0.8), (WIDTH + 14, HEIGHT + 14, 1.25), size=(26, 3))
        self.drops = self.rng.uniform((1, 0, 0.2), (WIDTH - 1, HEIGHT, 1.0), size=(11, 3))

    def still(self, canvas: skia.Canvas) -> None:
        _sky(canvas, (92, 108, 128), (160, 172, 184))
        for cx, cy, r in ((5, 4, 8), (16, 2, 9), (28, 4, 9), (38, 3, 8)):
            oval(canvas, cx, cy, r, r * 0.65, fill((74, 86, 104), 0.85))
        _hill(canvas, (88, 112, 110), 36)
        _hill(canvas, (70, 94, 88), 41)

    def moving(self, canvas: skia.Canvas, time: float) -> None:
        streaks = skia.Path()
        for x, y, speed in self.streaks:
            down = (y + 120 * speed * time) % (HEIGHT + 14) - 10
            left = x - 10 - 0.22 * down
            streaks.moveTo(left, down)
            streaks.lineTo(left - 1.7, down + 7.5 * speed)
        canvas.drawPath(streaks, line((226, 238, 250), 1.0, 0.75))
        trails, drops, rims = skia.Path(), skia.Path(), skia.Path()
        for x, y, speed in self.drops:
            down = (y + 9 * speed * time + 2 * math.sin(3 * time * speed + x)) % (HEIGHT + 4)
            trails.moveTo(x, down - 5 * speed)
            trails.lineTo(x, down)
            drops.addOval(skia.Rect.MakeLTRB(x - 1.3, down - 1.7, x + 1.3, down + 1.7))
            rims.addOval(skia.Rect.MakeLTRB(x - 0.3, down - 0.3, x + 1.1, down + 1.3))
        canvas.drawPath(trails, line((232, 242, 250), 0.9, 0.45))
        canvas.drawPath(drops, fill((236, 246, 255), 0.95))
        canvas.drawPath(rims, fill((120, 140, 164), 0.8))


class Waves(View):
    """The sea: four rows of waves roll sideways and heave; a boat bobs."""

    def still(self, canvas: skia.Canvas) -> None:
        _sky(canvas, (120, 190, 232), (250, 232, 204))
        oval(canvas, 29, 13, 5, 5, fill((255, 240, 176)))
        block(canvas, 0, 20, WIDTH, HEIGHT, ramp((0, 20), (0, HEIGHT), [ink((84, 168, 204)), ink((24, 92, 140))]))

    def moving(self, canvas: skia.Canvas, time: float) -> None:
        heave = math.sin(2.2 * time + self.phase[0])
        with moved(canvas, 14 + 2 * math.sin(0.5 * time + self.phase[1]), 23 + 1.4 * heave, 7 * math.sin(2.2 * time + self.phase[2])):
            canvas.drawPath(polygon([(-5, 0), (5, 0), (3.4, 3), (-3.6, 3)]), fill((150, 70, 52)))
            canvas.drawPath(polygon([(0.3, -1), (0.3, -11), (6, -1.6)]), fill((252, 250, 244)))
            canvas.drawPath(polygon([(-0.6, -1), (-0.6, -9), (-4, -1.6)]), fill((236, 226, 210)))
        tones: tuple[Color, ...] = ((70, 156, 198), (48, 134, 182), (34, 112, 162), (24, 90, 138))
        for row, tone in enumerate(tones):
            y = 24.5 + 6.2 * row + (1.0 + 0.5 * row) * math.sin(2.2 * time - 0.9 * row + self.phase[0])
            period = 11.0 + 2 * row
            shift = ((9 + 3 * row) * time * (1 if row % 2 else -1) + 3 * self.phase[3]) % period
            high = 1.8 + 0.55 * row
            crest = skia.Path()
            crest.moveTo(-period + shift - period, y)
            for i in range(8):
                x = (i - 2) * period + shift
                crest.cubicTo(x + 0.3 * period, y + high, x + 0.55 * period, y - 1.6 * high, x + period, y)
            foam = skia.Path(crest)
            crest.lineTo(WIDTH + 60, HEIGHT + 4)
            crest.lineTo(-60, HEIGHT + 4)
            crest.close()
            canvas.drawPath(crest, fill(tone))
            canvas.drawPath(foam, line((238, 248, 252), 0.9 + 0.2 * row, 0.85))


class Wind(View):
    """A tree bends in gusts and loses leaves."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.leaves = self.rng.uniform((0, 2, 0.7, 0), (60, 42, 1.3, 6.28), size=(11, 4))
        tints: tuple[Color, ...] = ((226, 138, 44), (206, 84, 46), (232, 186, 66), (120, 150, 60))
        self.tints = [tints[int(i)] for i in self.rng.integers(0, 4, size=11)]

    def still(self, canvas: skia.Canvas) -> None:
        _sky(canvas, (158, 190, 214), (226, 230, 226))
        _hill(canvas, (150, 172, 110), 38)
        _hill(canvas, (124, 150, 90), 42)

    def moving(self, canvas: skia.Canvas, time: float) -> None:
        for i, y in enumerate((8, 14, 22)):  # hurrying shreds of cloud
            x = (22 * time + 19 * i + 8 * self.phase[i]) % 66 - 16
            canvas.drawPath(bezier((x, y), x + 5, y - 2, x + 9, y + 1, x + 15, y - 1), line((255, 255, 255), 1.8, 0.7))
        gust = 0.65 + 0.35 * math.sin(2.4 * time + self.phase[3]) + 0.18 * math.sin(7.3 * time + self.phase[4])
        bend = 11.0 * gust
        canvas.drawPath(bezier((16, 45), 16, 36, 16 + 0.25 * bend, 29, 16 + 0.7 * bend, 21), line((96, 66, 48), 3.6))
        canvas.drawPath(bezier((16.4, 34), 18, 30, 22 + 0.5 * bend, 27, 23 + 0.7 * bend, 24), line((96, 66, 48), 2.0))
        leaf: Color = (96, 134, 60)
        for i, (x, y, r) in enumerate(((-8, 4, 6), (6, 4, 6.4), (-5, -4, 6.8), (5, -5, 7), (0, -1, 7))):
            shake = 1.2 * math.sin(11 * time + 1.7 * i + self.phase[5])
            k = 0.75 + 0.03 * (4 - y)
            oval(canvas, 16 + bend * k + x + shake + 0.12 * bend * gust, 18 + y + 0.12 * bend, r * (1 + 0.12 * gust), r * 0.86,
                 fill(light(leaf, 0.06 * i)))  # fmt: skip
        for (x, y, speed, phase), tint in zip(self.leaves, self.tints, strict=True):
            across = (x + 62 * speed * time) % 60 - 10
            up = y + 4 * math.sin(4 * time * speed + phase)
            with moved(canvas, across, up, math.degrees(9 * time * speed + phase)):
                oval(canvas, 0, 0, 2.3, 1.1, fill(tint))


class Engine(View):
    """A tractor runs on the spot: it shakes, and puffs from its exhaust."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        tints: tuple[Color, ...] = ((206, 52, 44), (46, 120, 66), (44, 92, 170))
        self.tint = tints[int(self.rng.integers(3))]
        self.rate_hz = float(self.rng.uniform(2.6, 3.6))

    def still(self, canvas: skia.Canvas) -> None:
        _sky(canvas, (174, 210, 232), (238, 240, 226))
        _hill(canvas, (150, 180, 112), 31)
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
            canvas.drawPath(bezier((4, 24), 8, 21, 20, 23, 21, 23, 26, 22.4, 32, 22.4, 36, 24, 37, 27, 37, 31, 36.5, 34, 26, 35, 12, 35, 5, 34,
                                   4, 30, 4, 26, 4, 24), ramp((0, 22), (0, 35), [ink(light(tint, 0.25)), ink(dark(tint, 0.15))]))  # fmt: skip
            for y in (26, 28.4, 30.8):
                canvas.drawPath(polygon([(29, y), (34.5, y)], False), line(dark(tint, 0.5), 1.0))
            oval(canvas, 36, 26.5, 1.4, 1.6, fill((255, 244, 190)))
        for x, y, r in ((12, 35, 9.0), (32, 38.5, 5.4)):
            oval(canvas, x, y, r, r, fill((44, 42, 48)))
            oval(canvas, x, y, 0.58 * r, 0.58 * r, fill((236, 196, 72)))
            for i in range(5):
                angle = 2 * math.pi * i / 5 + 0.4 * math.sin(18 * time)
                oval(canvas, x + 0.36 * r * math.cos(angle), y + 0.36 * r * math.sin(angle), 0.1 * r, 0.1 * r, fill((110, 84, 30)))


class Fire(View):
    """Flames on logs in a fireplace."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.sparks = self.rng.uniform((8, 0, 0.6), (32, 1, 1.3), size=(8, 3))

    def still(self, canvas: skia.Canvas) -> None:
        block(canvas, -4, -4, WIDTH + 4, HEIGHT + 4, ramp((0, 0), (0, HEIGHT), [ink((30, 28, 34)), ink((62, 44, 38))]))

    def moving(self, canvas: skia.Canvas, time: float) -> None:
        flicker = 1 + 0.1 * math.sin(13 * time + self.phase[0]) + 0.08 * math.sin(23 * time + self.phase[1])
        oval(canvas, 20, 36, 24 * flicker, 26 * flicker, glow((20, 36), 26 * flicker, [ink((255, 150, 50), 0.75), ink((255, 110, 30), 0)]))
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
                wobble = math.sin(8.1 * time + 1.9 * i + self.phase[i % 8] + 0.5 * layer) + 0.6 * math.sin(15.7 * time + 2.3 * i + layer)
                tongues.append((1 - 0.42 * abs(i - 2) + 0.16 * wobble, 2.2 * math.sin(6.3 * time + 1.4 * i + self.phase[(i + 3) % 8])))
            base, half = 45.0, 15 * width
            path = skia.Path()
            path.moveTo(20 - half, base - 3)
            for i, (tall, lean) in enumerate(tongues):
                left, right = 20 - half + half * 0.4 * i, 20 - half + half * 0.4 * (i + 1)
                x = 0.5 * (left + right) + lean * (0.4 + width)
                y = base - 3 - height * max(tall, 0.15)
                path.cubicTo(left - 0.6, base - 0.5 * height * tall, x - 0.5, y + 0.35 * height, x, y)
                path.cubicTo(x + 0.5, y + 0.35 * height, right + 0.6, base - 0.5 * height * tall, right, base - 3 - (2.5 if i < 4 else 0))
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
        _sky(canvas, (152, 208, 238), (236, 246, 238))
        _hill(canvas, (128, 180, 118), 40)
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
        canvas.drawPath(bezier((2, -0.6), -1, -2.6, -5, -1, -6.4, 1.6, -3, 3.6, 1, 2.6, 2, -0.6), fill(dark(tint, 0.25)))


def _sky(canvas: skia.Canvas, top: Color, bottom: Color) -> None:
    block(canvas, -2, -2, WIDTH + 2, HEIGHT + 2, ramp((0, 0), (0, 34), [ink(top), ink(bottom)]))


def _hill(canvas: skia.Canvas, color: Color, y: float) -> None:
    canvas.drawPath(smooth([(-8, 60), (-4, y), (10, y - 3), (24, y + 2), (44, y - 2), (50, 60)]), fill(color))


VIEWS: dict[str | None, type[View]] = {
    None: View, "rain": Rain, "waves": Waves, "wind": Wind, "engine": Engine, "fire": Fire, "birds": Birds,
}  # fmt: skip
