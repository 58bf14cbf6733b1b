"""Things on the table: a bouncing ball, a keyboard, scissors in paper, a rubber stamp."""

from collections.abc import Mapping

import numpy as np
import skia

from unison_core.corpus.motion import contact_frames, strikes
from unison_core.corpus.picture.pen import (
    bezier,
    block,
    dark,
    fill,
    glow,
    ink,
    light,
    line,
    moved,
    oval,
    polygon,
    record,
)
from unison_core.corpus.picture.props.base import MAIN, OTHER, Prop, Reach, between, pick
from unison_core.corpus.scene import Scene


class Ball(Prop):
    """A ball that the hand bounces: it falls z = 1 - (u/n)^2 above the table and is caught again at its highest."""

    RADIUS, FALL, RISE, TOP = 8.0, 5, 7, 20.0

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.color = pick(self.rng, (230, 92, 40), (216, 48, 56), (48, 120, 200), (66, 160, 84), (240, 196, 50))
        self.level = self._levels(scene)

    def _levels(self, scene: Scene) -> np.ndarray:
        """Height of the ball `(F,)`: 0 on the table, 1 in the hand."""
        level = np.ones(scene.frames)
        contacts = contact_frames(scene)
        for i, contact in enumerate(contacts):
            gap = contact - contacts[i - 1] if i else 99
            after = contacts[i + 1] - contact if i + 1 < len(contacts) else 99
            fall, rise = min(self.FALL, max(gap // 2, 2)), min(self.RISE, max(after - after // 2, 2))
            for offset in range(-fall + 1, rise):
                length = fall if offset < 0 else rise
                if 0 <= contact + offset < scene.frames:
                    level[contact + offset] = 1 - ((length - abs(offset)) / length) ** 2
        return level

    def hands(self, frame: int) -> Mapping[str, Reach]:
        lift = max(float(self.level[frame]), 0.72)
        return {MAIN: Reach(x=4, y=3 - 2 * self.RADIUS - self.TOP * lift - 1.5, shape="flat", degrees=205)}

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        level, r = float(self.level[frame]), self.RADIUS
        squash = 0.26 * float(self.strikes.strength[frame]) if self.strikes.age[frame] == 0 else 0.0
        oval(canvas, 0, 3, r * (1.1 - 0.45 * level), 2.0, fill((20, 14, 30), 0.4 - 0.2 * level))
        with moved(canvas, 0, 3 - self.TOP * level, 0, 1 + squash, 1 - squash):
            oval(
                canvas,
                0,
                -r,
                r,
                r,
                glow((-3, -r - 4), 14, [ink(light(self.color, 0.45)), ink(self.color), ink(dark(self.color, 0.4))]),
            )
            with moved(canvas, 0, -r, 25 * level + 40 * float(self.strikes.count[frame])):
                canvas.drawPath(bezier((-r, 0), -3, -3.4, 3, -3.4, r, 0), line((250, 246, 236), 1.7, 0.9))
                canvas.drawPath(
                    bezier((-r * 0.7, r * 0.7), -3, 2.4, 3, 2.4, r * 0.7, r * 0.7), line((250, 246, 236), 1.5, 0.9)
                )
            oval(canvas, -3, -r - 4, 1.9, 1.4, fill((255, 255, 255), 0.7))

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        self.spark(canvas, frame, 0, 3, 1.4)


class Keyboard(Prop):
    """Two hands type on a computer keyboard; the struck key dips and lights up."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.turns = {MAIN: strikes(scene, 2, 0), OTHER: strikes(scene, 2, 1)}
        self.case = pick(self.rng, (58, 62, 74), (222, 224, 230), (84, 110, 140))
        count = len(scene.events_s) + 1
        self.columns = self.rng.integers(0, 3, size=count)
        self.rows = self.rng.integers(0, 3, size=count)
        self.picture = record(self._record)

    def _record(self, canvas: skia.Canvas) -> None:
        case = self.case
        canvas.drawPath(polygon([(-29, -15), (29, -15), (35, 5), (-35, 5)]), fill(dark(case, 0.35)))
        canvas.drawPath(polygon([(-29, -16), (29, -16), (35, 3), (-35, 3)]), fill(case))
        for row in range(4):
            for column in range(11):
                self._key(canvas, column, row, fill(light(case, 0.35) if sum(case) < 400 else (252, 252, 254)), 0.0)

    @staticmethod
    def _place(column: float, row: float) -> tuple[float, float]:
        """Centre of a key."""
        spread = 5.1 + 0.32 * row
        return (column - 5) * spread, -13.4 + 4.4 * row

    def _key(self, canvas: skia.Canvas, column: int, row: int, paint: skia.Paint, dip: float) -> None:
        x, y = self._place(column, row)
        block(canvas, x - 2.1, y - 1.6 + dip, x + 2.1, y + 1.7 + dip, paint, 0.8)

    def _target(self, frame: int, hand: str) -> tuple[int, int]:
        """Key that this hand strikes next, or has just struck."""
        turn = self.turns[hand]
        count = int(turn.count[frame]) if turn.age[frame] > 3 else max(int(turn.count[frame]) - 1, 0)
        event = min(2 * count + (hand == OTHER), len(self.columns) - 1)
        column = int(self.columns[event])
        return (7 + column if hand == MAIN else 1 + column), int(self.rows[event])

    def hands(self, frame: int) -> Mapping[str, Reach]:
        places = {}
        for hand, sign in ((MAIN, 1), (OTHER, -1)):
            x, y = self._place(9 if hand == MAIN else 1, 2.6)
            places[hand] = Reach(
                x=x, y=y - 15.0 * float(self.turns[hand].height[frame]), shape="flat", degrees=270 - sign * 30
            )
        return places

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        canvas.drawPicture(self.picture)
        for hand, turn in self.turns.items():
            flash = turn.flash(frame)
            if flash > 0:
                column, row = self._target(frame, hand)
                self._key(canvas, column, row, fill(dark(self.case, 0.5)), 0.0)
                self._key(canvas, column, row, fill((255, 236, 150)), 1.0)

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        for hand, turn in self.turns.items():
            self.spark(canvas, frame, *self._place(*self._target(frame, hand)), 1.15, turn)


class Scissors(Prop):
    """Scissors close on a sheet that the other hand holds; the cut grows with every snip."""

    def hands(self, frame: int) -> Mapping[str, Reach]:
        height = float(self.strikes.height[frame])
        return {
            MAIN: Reach(x=21 + 3 * height, y=-10 - 5 * height, degrees=185),
            OTHER: Reach(x=-24, y=-15, shape="flat", degrees=15),
        }

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        cut = min(2.2 * float(self.strikes.count[frame]), 14.0)
        droop = 2.5 * max(self.strikes.jolt(frame, 2.0, 5.0), 0.0) + 0.25 * cut
        canvas.drawPath(polygon([(-27, -26), (3, -26), (3, -13), (3 - cut, -12.5), (-27, -12)]), fill((250, 248, 240)))
        canvas.drawPath(
            polygon([(-27, -12), (3 - cut, -11.5), (3, -11 + droop), (3, 1 + droop), (-27, 2)]), fill((240, 236, 224))
        )
        for y in (-21, -17, -5):
            canvas.drawPath(polygon([(-18, y), (-6, y)], False), line((176, 190, 214), 1.0))

    def held(self, canvas: skia.Canvas, frame: int) -> None:
        hand = self.hands(frame)[MAIN]
        angle = 4.0 + 38.0 * float(self.strikes.height[frame])
        with moved(canvas, hand.x - 13, hand.y):
            for sign in (-1, 1):
                with moved(canvas, 0, 0, sign * angle / 1.4):
                    canvas.drawPath(polygon([(1, 0), (7.5, sign * 1.4)], False), line((212, 58, 52), 3.0))
                    oval(canvas, 10.8, sign * 2.2, 4.6, 3.6, line((212, 58, 52), 2.6))
                    canvas.drawPath(polygon([(3, -1.6), (-18, sign * 0.2), (3, 1.8)]), fill((120, 130, 146)))
                    canvas.drawPath(polygon([(3, -0.8), (-16.5, sign * 0.1), (3, 0.9)]), fill((222, 228, 236)))
            oval(canvas, 0, 0, 1.4, 1.4, fill((74, 80, 94)))

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        self.spark(canvas, frame, -5, -11, 1.25)


class Stamp(Prop):
    """A rubber stamp leaves a mark on paper each time."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.ink = pick(self.rng, (196, 40, 48), (40, 80, 176), (30, 128, 84))
        self.places = [
            (-10 + 7.5 * (i % 4) + float(self.rng.uniform(-1, 1)), -6 + 5 * (i // 4 % 2))
            for i in range(len(scene.events_s) + 1)
        ]

    def _target(self, frame: int) -> tuple[float, float]:
        """Centre of the mark: the latest until the hand sets out for the next."""
        count, age = int(self.strikes.count[frame]), int(self.strikes.age[frame])
        here, there = self.places[max(count - 1, 0)], self.places[min(count, len(self.places) - 1)]
        return between(here, there, min(max((age - 3) / 6, 0.0), 1.0) if count else 1.0)

    def hands(self, frame: int) -> Mapping[str, Reach]:
        x, y = self._target(frame)
        return {MAIN: Reach(x=x, y=y - 16 - 19 * float(self.strikes.height[frame]), degrees=140)}

    def under(self, canvas: skia.Canvas, frame: int) -> None:
        canvas.drawPath(polygon([(-20, -13), (22, -13), (27, 7), (-25, 7)]), fill((20, 14, 30), 0.22))
        canvas.drawPath(polygon([(-20, -14), (21, -14), (26, 5.5), (-25, 5.5)]), fill((250, 248, 240)))
        for y in (-10.5, 3):
            canvas.drawPath(polygon([(-17, y), (17, y)], False), line((186, 192, 206), 0.9, 0.8))
        for x, y in self.places[: int(self.strikes.count[frame])]:
            oval(canvas, x, y, 4.4, 2.5, line(self.ink, 1.5))
            canvas.drawPath(polygon([(x - 2, y), (x + 2, y)], False), line(self.ink, 1.3))

    def held(self, canvas: skia.Canvas, frame: int) -> None:
        hand = self.hands(frame)[MAIN]
        with moved(canvas, hand.x, hand.y):
            oval(canvas, 0, -5, 4.2, 3.6, fill((150, 92, 52)))
            canvas.drawPath(bezier((-2.4, -3), -1.6, 4, -3, 8, -6.5, 10.5, -2, 11, 2, 11, 6.5, 10.5, 3, 8, 1.6, 4,
            2.4, -3),
                            fill((176, 112, 64)))  # fmt: skip
            block(canvas, -7.2, 10, 7.2, 14, fill((122, 72, 42)), 1.2)
            block(canvas, -6.8, 14, 6.8, 16, fill(dark(self.ink, 0.15)), 0.6)

    def accents(self, canvas: skia.Canvas, frame: int) -> None:
        x, y = self._target(frame)
        self.spark(canvas, frame, x, y, 1.45)
