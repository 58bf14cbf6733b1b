"""Things that are struck: the table, a hand drum, a nail, a cymbal, a glass."""

from collections.abc import Mapping

import skia

from unison_core.corpus.motion import strikes
from unison_core.corpus.picture.pen import (
    bezier,
    block,
    dark,
    fill,
    ink,
    light,
    line,
    moved,
    oval,
    polygon,
    ramp,
    record,
)
from unison_core.corpus.picture.props.base import MAIN, OTHER, Prop, Reach, between, pick
from unison_core.corpus.scene import Scene


class Knock(Prop):
    """Knuckles on the table, beside a mug that hops."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.glaze = pick(self.rng, (232, 228, 216), (206, 84, 66), (70, 124, 150), (236, 186, 84))
        self.mug = record(self._mug)

    def _mug(self, canvas: skia.Canvas) -> None:
        glaze = self.glaze
        canvas.drawPath(bezier((-6, -10), -13, -10, -13, -2, -5.5, -2.5), line(dark(glaze, 0.15), 2.4))
        body = bezier((-7, -14), -7, -4, -6, 0, -5, 1.5, -3, 3, 3, 3, 5, 1.5, 6, 0, 7, -4, 7, -14)
        canvas.drawPath(body, ramp((-7, 0), (7, 0), [ink(light(glaze, 0.25)), ink(glaze), ink(dark(glaze, 0.25))]))
        canvas.drawPath(bezier((-6.8, -7), -3, -5.4, 3, -5.4, 6.8, -7), line(light(glaze, 0.5), 1.5, 0.7))
        oval(canvas, 0, -14, 7, 2.2, fill(light(glaze, 0.35)))
        oval(canvas, 0, -13.8, 5.7, 1.5, fill((84, 58, 44)))

    def hands(self, frame: int) -> Mapping[str, Reach]:
        x, y = between((5, -8), (10, -26), float(self.strikes.height[frame]))
        return {MAIN: Reach(x=x, y=y, degrees=115)}

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        hop = max(self.strikes.jolt(frame, 2.0, 4.0), 0.0)
        oval(canvas, -17, -1.5, 8, 2.2, fill((24, 14, 24), 0.35))
        with moved(canvas, -17, -3 - 2.6 * hop, 7 * self.strikes.jolt(frame, 3.0, 4.0)):
            canvas.drawPicture(self.mug)

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        flash = self.strikes.flash(frame)
        if flash > 0:  # the table top rings
            oval(canvas, 3, -3.5, 14, 4.4, line((255, 240, 200), 1.2, 0.8 * flash))
        self.spark(canvas, frame, 3, -4, 1.25)


class Drum(Prop):
    """Two hands take turns on a hand drum."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.turns = {MAIN: strikes(scene, 2, 0), OTHER: strikes(scene, 2, 1)}
        self.shell = pick(self.rng, (190, 52, 46), (38, 104, 150), (226, 140, 44), (52, 128, 92))
        self.picture = record(self._record)

    def _record(self, canvas: skia.Canvas) -> None:
        shell, gold = self.shell, (226, 186, 92)
        canvas.drawPath(bezier((-18, -19), -17, -8, -15, 0, -13, 4, -6, 8, 6, 8, 13, 4, 15, 0, 17, -8, 18, -19),
                        ramp((-18, 0), (18, 0), [ink(dark(shell, 0.3)), ink(light(shell, 0.18)), ink(dark(shell,
                        0.35))], [0, 0.4, 1]))  # fmt: skip
        for i in range(6):
            x = -16 + i * 6.4
            canvas.drawPath(
                polygon([(x, -13), (x + 2.6 - 0.2 * x, 3.5), (x + 5, -13)], False), line((250, 240, 214), 1.0, 0.75)
            )
        canvas.drawPath(bezier((-17.6, -15), -12, -8.5, 12, -8.5, 17.6, -15), line(gold, 2.4))
        canvas.drawPath(bezier((-13.4, 3), -8, 7, 8, 7, 13.4, 3), line(gold, 2.0))

    def hands(self, frame: int) -> Mapping[str, Reach]:
        places = {}
        for hand, sign in ((MAIN, 1), (OTHER, -1)):
            x, y = between((sign * 9.0, -20), (sign * 14.0, -37), float(self.turns[hand].height[frame]))
            places[hand] = Reach(x=x, y=y, shape="flat", degrees=90 + sign * 62)
        return places

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        jolt = self.strikes.jolt(frame, 2.0, 4.0)
        with moved(canvas, 0, 0.7 * jolt):
            canvas.drawPicture(self.picture)
            oval(canvas, 0, -19, 18.4, 5.6, fill((226, 186, 92)))
            oval(canvas, 0, -19.3, 17, 4.7, fill((240, 228, 200)))
            oval(canvas, 0, -18.9 + jolt, 9 + jolt, 2.3, fill((250, 244, 226)))
            if abs(jolt) > 0.1:
                oval(canvas, 0, -19.2, 13.5, 3.5, line((186, 160, 120), 0.9, abs(jolt)))

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        for hand, sign in ((MAIN, 1), (OTHER, -1)):
            self.spark(canvas, frame, sign * 4.0, -20, 1.15, self.turns[hand])


class Hammer(Prop):
    """A hammer drives a nail into a block of wood."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.wood = pick(self.rng, (196, 146, 92), (164, 108, 66))
        self.handle = pick(self.rng, (198, 52, 44), (222, 166, 86), (44, 92, 150))
        total = max(int(self.strikes.count[-1]), 1) if len(self.strikes.count) else 1
        self.sink = min(1.6, 7.0 / total)

    def _nail(self, frame: int) -> float:
        """Height of the nail's head over the wood."""
        return 10.0 - self.sink * float(self.strikes.count[frame])

    def hands(self, frame: int) -> Mapping[str, Reach]:
        head = self._head(frame)
        return {
            MAIN: Reach(x=head[0] + 15.0, y=head[1] + 2.5 - 6.0 * float(self.strikes.height[frame]) * 0.3, degrees=180)
        }

    def _head(self, frame: int) -> tuple[float, float]:
        return between((-2, -14.5 - self._nail(frame)), (4, -41), float(self.strikes.height[frame]))

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        wood, jolt = self.wood, self.strikes.jolt(frame, 1.5)
        with moved(canvas, 0, 0.6 * jolt):
            canvas.drawPath(polygon([(-18, -13), (14, -13), (18, -9), (-21, -9)]), fill(light(wood, 0.3)))
            block(canvas, -21, -9, 18, 4, fill(wood), 1.0)
            for x, y in ((-17, -5), (-4, -2), (5, -6), (-10, 1)):
                canvas.drawPath(
                    bezier((x, y), x + 3, y - 1.5, x + 7, y + 1.5, x + 10, y), line(dark(wood, 0.35), 0.9, 0.6)
                )
            top = -11 - self._nail(frame)
            canvas.drawPath(polygon([(-2, -11), (-2, top)], False), line((120, 126, 136), 1.6))
            canvas.drawPath(polygon([(-4.2, top), (0.2, top)], False), line((176, 182, 192), 1.8))

    def held(self, canvas: skia.Canvas, frame: int) -> None:
        (x, y), hand = self._head(frame), self.hands(frame)[MAIN]
        tilt = 26.0 * float(self.strikes.height[frame])
        canvas.drawPath(polygon([(x, y), (hand.x + 6, hand.y + 0.8)], False), line(dark(self.handle, 0.3), 4.0))
        canvas.drawPath(polygon([(x, y), (hand.x + 6, hand.y + 0.8)], False), line(self.handle, 2.8))
        with moved(canvas, x, y, tilt):
            block(canvas, -3.4, -6.5, 3.4, 3.2, fill((70, 76, 88)), 1.0)
            block(canvas, -4.2, 1.2, 4.2, 4.4, fill((112, 120, 134)), 0.8)
            canvas.drawPath(polygon([(-2.0, -5.5), (-2.0, 1.0)], False), line((170, 178, 190), 1.1, 0.8))
            canvas.drawPath(bezier((-2.5, -6), -1, -9, 2, -10, 4.5, -9.5), line((70, 76, 88), 2.4))

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        self.spark(canvas, frame, -2, -11 - self._nail(frame), 1.15)


class Cymbal(Prop):
    """A stick on a cymbal, which rocks on its stand."""

    def hands(self, frame: int) -> Mapping[str, Reach]:
        x, y = between((23, -27), (23, -35), float(self.strikes.height[frame]))
        return {MAIN: Reach(x=x, y=y, degrees=200)}

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        steel = (96, 100, 112)
        for x in (-9, 9):
            canvas.drawPath(polygon([(0, -4), (x, 5)], False), line(steel, 2.0))
        canvas.drawPath(polygon([(0, 3), (0, -23)], False), line(steel, 2.2))
        canvas.drawPath(polygon([(-0.5, 2), (-0.5, -22)], False), line((188, 192, 202), 0.8))
        with moved(canvas, 0, -23, -4 + 15 * self.strikes.jolt(frame, 6.0, 7.0)):
            oval(canvas, 0, 0.9, 20, 4.6, fill((146, 100, 26)))
            oval(
                canvas,
                0,
                0,
                20,
                4.4,
                ramp(
                    (-20, 0),
                    (20, 0),
                    [
                        ink(c)
                        for c in ((196, 140, 40), (255, 232, 140), (214, 160, 52), (250, 218, 116), (180, 126, 36))
                    ],
                ),
            )
            oval(canvas, 0, 0, 13, 2.8, line((176, 124, 34), 0.7, 0.7))
            oval(canvas, 0, -1.4, 4.8, 2.6, fill((236, 194, 84)))
            oval(canvas, 0, -3.2, 1.3, 1.2, fill(steel))

    def held(self, canvas: skia.Canvas, frame: int) -> None:
        hand = self.hands(frame)[MAIN]
        tip = between((11, -23), (7, -46), float(self.strikes.height[frame]))
        butt = (hand.x + 0.3 * (hand.x - tip[0]), hand.y + 0.3 * (hand.y - tip[1]))
        canvas.drawPath(polygon([tip, butt], False), line((120, 78, 44), 2.6))
        canvas.drawPath(polygon([tip, butt], False), line((226, 180, 118), 1.7))
        oval(canvas, *tip, 1.9, 1.6, fill((240, 206, 150)))

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        self.spark(canvas, frame, 11, -23.5, 1.2)


class Glass(Prop):
    """A spoon on a wine glass whose water ripples."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.drink = pick(self.rng, (92, 168, 226), (110, 190, 214), (236, 178, 70))

    def hands(self, frame: int) -> Mapping[str, Reach]:
        x, y = between((22, -24), (29, -33), float(self.strikes.height[frame]))
        return {MAIN: Reach(x=x, y=y, degrees=190)}

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        jolt = self.strikes.jolt(frame, 3.0, 4.0)
        with moved(canvas, 0, 3, -3.0 * jolt):
            glass = (226, 240, 250)
            oval(canvas, 0, 0, 9.5, 2.6, fill(glass, 0.85))
            oval(canvas, 0, 0, 9.5, 2.6, line((150, 172, 192), 0.8, 0.8))
            canvas.drawPath(polygon([(0, 0), (0, -15)], False), line(glass, 2.4))
            bowl = bezier((-9, -36), -11.5, -24, -11, -15, 0, -14, 11, -15, 11.5, -24, 9, -36)
            canvas.drawPath(bowl, fill(glass, 0.42))
            level = -27.0
            canvas.drawPath(bezier((-10.3, level), -10.8, -17.5, -7.5, -15, 0, -15, 7.5, -15, 10.8, -17.5, 10.3, level),
                            fill(self.drink, 0.92))  # fmt: skip
            with moved(canvas, 0, level, 7 * jolt):
                oval(canvas, 0, 0, 10.4, 2.1, fill(light(self.drink, 0.35)))
                if abs(jolt) > 0.08:
                    oval(canvas, 0, 0, 6.5, 1.2, line((255, 255, 255), 0.8, abs(jolt)))
            canvas.drawPath(bowl, line((244, 250, 255), 1.1, 0.9))
            oval(canvas, 0, -36, 9, 1.9, line((250, 253, 255), 1.0))
            canvas.drawPath(bezier((-7, -32), -8.2, -26, -7.5, -21, -5, -18), line((255, 255, 255), 1.4, 0.8))

    def held(self, canvas: skia.Canvas, frame: int) -> None:
        hand = self.hands(frame)[MAIN]
        height = float(self.strikes.height[frame])
        tip = between((10.2, -33.5), (18, -47), height)
        canvas.drawPath(polygon([tip, (hand.x + 2, hand.y + 2)], False), line((126, 134, 148), 2.0))
        canvas.drawPath(polygon([tip, (hand.x + 2, hand.y + 2)], False), line((216, 222, 230), 1.1))
        oval(canvas, *tip, 2.7, 3.3, fill((152, 160, 174)))
        oval(canvas, tip[0] - 0.4, tip[1] - 0.4, 1.8, 2.3, fill((226, 232, 240)))

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        self.spark(canvas, frame, 10, -33, 1.1)
