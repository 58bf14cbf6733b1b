"""Things held in the air: clapping hands, a hand bell, a maraca, a bulb horn, a camera."""

from collections.abc import Mapping

import skia

from unison_core.corpus.picture.pen import bezier, block, dark, fill, glow, ink, light, line, moved, oval, polygon, ramp
from unison_core.corpus.picture.props.base import MAIN, OTHER, Prop, Reach, between, pick
from unison_core.corpus.scene import Scene


class Clap(Prop):
    """Two hands meet."""

    def hands(self, frame: int) -> Mapping[str, Reach]:
        height = float(self.strikes.height[frame])
        return {
            hand: Reach(
                x=sign * (2.2 + 17.0 * height),
                y=-22 + 3 * height,
                shape="blade",
                degrees=270 - sign * (6 + 20 * height),
            )
            for hand, sign in ((MAIN, 1), (OTHER, -1))
        }

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        self.spark(canvas, frame, 0, -28, 1.3)


class Bell(Prop):
    """A hand bell, swung."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.handle = pick(self.rng, (96, 58, 38), (52, 44, 52), (150, 40, 40))

    def hands(self, frame: int) -> Mapping[str, Reach]:
        x, y = between((8, -32), (17, -37), float(self.strikes.height[frame]))
        return {MAIN: Reach(x=x, y=y, degrees=150)}

    def held(self, canvas: skia.Canvas, frame: int) -> None:
        hand = self.hands(frame)[MAIN]
        jolt = self.strikes.jolt(frame, 4.0, 7.0)
        tilt = 28.0 - 46.0 * float(self.strikes.height[frame]) + 10 * jolt
        with moved(canvas, hand.x, hand.y, tilt):
            canvas.drawPath(polygon([(0, -7), (0, 8)], False), line(dark(self.handle, 0.2), 4.4))
            oval(canvas, 0, -8, 3.0, 2.6, fill(self.handle))
            oval(canvas, 5.5 - 7 * jolt, 26.5, 2.5, 2.5, fill((92, 70, 40)))
            body = bezier((-4.5, 8), -7.5, 9, -7, 17, -9, 21, -10, 23, -12, 24, -12.5, 26, -6, 28.5, 6, 28.5, 12.5, 26,
                          12, 24, 10, 23, 9, 21, 7, 17, 7.5, 9, 4.5, 8)  # fmt: skip
            canvas.drawPath(
                body,
                ramp(
                    (-12, 0),
                    (12, 0),
                    [ink(c) for c in ((168, 116, 30), (255, 228, 128), (222, 170, 62), (150, 100, 24))],
                    [0, 0.35, 0.65, 1],
                ),
            )
            canvas.drawPath(bezier((-9, 21.4), -5, 23, 5, 23, 9, 21.4), line((150, 104, 30), 0.9, 0.8))
            canvas.drawPath(bezier((-12.2, 26), -6, 28.6, 6, 28.6, 12.2, 26), line((255, 236, 160), 1.0, 0.8))

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        self.spark(canvas, frame, -5, -8, 1.3)


class Maraca(Prop):
    """A maraca, jerked."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.color = pick(self.rng, (214, 58, 48), (240, 150, 40), (54, 140, 88), (62, 104, 190))

    def hands(self, frame: int) -> Mapping[str, Reach]:
        x, y = between((7, -13), (13, -27), float(self.strikes.height[frame]))
        return {MAIN: Reach(x=x, y=y, degrees=190)}

    def held(self, canvas: skia.Canvas, frame: int) -> None:
        hand = self.hands(frame)[MAIN]
        tilt = -42.0 + 48.0 * float(self.strikes.height[frame]) - 8 * self.strikes.jolt(frame, 2.0, 4.0)
        with moved(canvas, hand.x, hand.y, tilt):
            canvas.drawPath(polygon([(0, 7), (0, -12)], False), line((120, 78, 44), 3.6))
            canvas.drawPath(polygon([(-0.5, 6), (-0.5, -12)], False), line((206, 158, 98), 1.6))
            oval(
                canvas,
                0,
                -18,
                8.6,
                10,
                glow((-2.5, -21), 13, [ink(light(self.color, 0.4)), ink(self.color), ink(dark(self.color, 0.35))]),
            )
            canvas.drawPath(bezier((-8.2, -20), -4, -17, 4, -17, 8.2, -20), line((250, 226, 120), 1.8))
            canvas.drawPath(bezier((-8.0, -15), -4, -12, 4, -12, 8.0, -15), line((252, 246, 230), 1.6))
            oval(canvas, -3, -23.5, 1.9, 1.3, fill((255, 255, 255), 0.6))

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        self.spark(canvas, frame, -7, -27, 1.3)


class Horn(Prop):
    """A bulb horn on a small stand, squeezed."""

    def hands(self, frame: int) -> Mapping[str, Reach]:
        height = float(self.strikes.height[frame])
        return {
            MAIN: Reach(
                x=21.5 + 10.0 * height, y=-16 - 9.0 * height, shape="fist" if height < 0.12 else "flat", degrees=190
            )
        }

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        jolt = max(self.strikes.jolt(frame, 3.0, 12.0), 0.0)
        brass = [ink(c) for c in ((255, 232, 144), (232, 180, 70), (150, 100, 28))]
        canvas.drawPath(bezier((-4, 4), -3, -6, 3, -6, 5, 4), fill((70, 56, 52)))
        with moved(canvas, 0, -11, 2.0 * jolt, 1 + 0.05 * jolt, 1 + 0.05 * jolt):
            canvas.drawPath(
                bezier((12, -2), 2, -3, -8, -4, -19, -13, -21, -6, -21, 6, -19, 13, -8, 4, 2, 3, 12, 2),
                ramp((0, -12), (0, 12), brass),
            )
            oval(canvas, -19.5, 0, 3.9, 13.2, fill((196, 142, 46)))
            oval(canvas, -19.9, 0, 2.7, 11.2, fill((96, 62, 24)))
            block(canvas, 9.5, -3, 13, 3, fill((206, 154, 54)), 1)
        squeeze = 1.0 - 0.42 * jolt
        oval(
            canvas,
            21,
            -11,
            8.6 * (1 + 0.1 * jolt),
            8.4 * squeeze,
            glow((18, -14), 12, [ink((110, 110, 122)), ink((44, 44, 52)), ink((26, 26, 32))]),
        )

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        flash = self.strikes.flash(frame)
        if flash > 0:
            for r in (5.5, 9.5, 13.5):
                arc = bezier(
                    (-21 - 0.55 * r, -11 - r),
                    -22 - 1.1 * r,
                    -11 - 0.5 * r,
                    -22 - 1.1 * r,
                    -11 + 0.5 * r,
                    -21 - 0.55 * r,
                    -11 + r,
                )
                canvas.drawPath(arc, line((255, 249, 214), 1.8, flash))
        self.spark(canvas, frame, -22, -11, 1.25)


class Camera(Prop):
    """A camera held with one hand; the other presses its button, the flash fires."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.body = pick(self.rng, (52, 54, 62), (150, 52, 48), (62, 96, 112))

    def hands(self, frame: int) -> Mapping[str, Reach]:
        height = float(self.strikes.height[frame])
        return {
            MAIN: Reach(x=16.5 + 4.0 * height, y=-30 - 11.0 * height, shape="flat", degrees=215),
            OTHER: Reach(x=-19.5, y=-15, shape="fist", degrees=-20),
        }

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        with moved(canvas, 0, 0.8 * self.strikes.jolt(frame, 1.5)):
            body = self.body
            block(canvas, 9, -30.0 + 1.4 * max(self.strikes.jolt(frame, 1.0), 0), 15, -25, fill((216, 74, 60)), 1)
            block(canvas, -8, -32, 7, -24, fill(dark(body, 0.1)), 2.5)
            block(canvas, -19, -27, 19, -1, ramp((0, -27), (0, -1), [ink(light(body, 0.22)), ink(dark(body, 0.15))]), 3)
            block(canvas, -19, -20, 19, -8, fill(dark(body, 0.45)), 0)
            block(canvas, -5.5, -31, 4.5, -26.5, fill((226, 236, 244)), 1.2)
            oval(canvas, 0, -13.5, 10.4, 10.4, fill((204, 208, 216)))
            oval(canvas, 0, -13.5, 8.8, 8.8, fill((36, 38, 46)))
            oval(
                canvas,
                0,
                -13.5,
                6.2,
                6.2,
                glow((-2, -16), 8, [ink((130, 170, 220)), ink((38, 52, 92)), ink((18, 22, 40))]),
            )
            oval(canvas, -2.2, -16, 1.8, 1.4, fill((255, 255, 255), 0.85))
            oval(canvas, 14.5, -23, 1.4, 1.4, fill((250, 214, 90)))

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        flash = self.strikes.flash(frame)
        if flash > 0:
            oval(
                canvas,
                -0.5,
                -28,
                26,
                26,
                glow(
                    (-0.5, -28),
                    26,
                    [ink((255, 255, 255), flash), ink((255, 252, 230), 0.35 * flash), ink((255, 252, 230), 0)],
                    [0, 0.35, 1],
                ),
            )
        self.spark(canvas, frame, -0.5, -28, 1.5)
