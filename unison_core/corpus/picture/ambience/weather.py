"""Rain, waves and wind."""

import math

import skia

from unison_core.corpus.picture.ambience.view import HEIGHT, WIDTH, View, hill, sky
from unison_core.corpus.picture.pen import Color, bezier, block, fill, ink, light, line, moved, oval, polygon, ramp
from unison_core.corpus.scene import Scene


class Rain(View):
    """Streaks behind the pane and drops that run down it."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.streaks = self.rng.uniform((0, 0, 0.8), (WIDTH + 14, HEIGHT + 14, 1.25), size=(26, 3))
        self.drops = self.rng.uniform((1, 0, 0.2), (WIDTH - 1, HEIGHT, 1.0), size=(11, 3))

    def still(self, canvas: skia.Canvas) -> None:
        sky(canvas, (92, 108, 128), (160, 172, 184))
        for cx, cy, r in ((5, 4, 8), (16, 2, 9), (28, 4, 9), (38, 3, 8)):
            oval(canvas, cx, cy, r, r * 0.65, fill((74, 86, 104), 0.85))
        hill(canvas, (88, 112, 110), 36)
        hill(canvas, (70, 94, 88), 41)

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
        sky(canvas, (120, 190, 232), (250, 232, 204))
        oval(canvas, 29, 13, 5, 5, fill((255, 240, 176)))
        block(canvas, 0, 20, WIDTH, HEIGHT, ramp((0, 20), (0, HEIGHT), [ink((84, 168, 204)), ink((24, 92, 140))]))

    def moving(self, canvas: skia.Canvas, time: float) -> None:
        heave = math.sin(2.2 * time + self.phase[0])
        with moved(
            canvas,
            14 + 2 * math.sin(0.5 * time + self.phase[1]),
            23 + 1.4 * heave,
            7 * math.sin(2.2 * time + self.phase[2]),
        ):
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
        sky(canvas, (158, 190, 214), (226, 230, 226))
        hill(canvas, (150, 172, 110), 38)
        hill(canvas, (124, 150, 90), 42)

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
            oval(canvas, 16 + bend * k + x + shake + 0.12 * bend * gust, 18 + y + 0.12 * bend,
            r * (1 + 0.12 * gust), r * 0.86,
                 fill(light(leaf, 0.06 * i)))  # fmt: skip
        for (x, y, speed, phase), tint in zip(self.leaves, self.tints, strict=True):
            across = (x + 62 * speed * time) % 60 - 10
            up = y + 4 * math.sin(4 * time * speed + phase)
            with moved(canvas, across, up, math.degrees(9 * time * speed + phase)):
                oval(canvas, 0, 0, 2.3, 1.1, fill(tint))
