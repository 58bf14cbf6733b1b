"""Arms with two-segment inverse kinematics, and hands.

For a shoulder S, a hand H at distance d and segments a, b the elbow lies at angle
    cos(alpha) = (a^2 + d^2 - b^2) / (2 a d)  from the line S-H, on the outer side.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import skia

from unison_core.corpus.picture.pen import (
    Color,
    Point,
    bezier,
    dark,
    fill,
    light,
    line,
    mix,
    moved,
    oval,
    polygon,
    record,
    strokes,
)

UPPER, FORE = 22.0, 21.0
"""Lengths of the segments at medium framing."""
STRAIGHT = 0.8
"""Least ratio of the reach to the length of the arm as seen."""
FINGERS = strokes(((0, -2.6), (5.0, -3.0)), ((0, -0.9), (6.4, -1.0)), ((0, 0.9), (6.4, 1.0)), ((0, 2.6), (5.4, 3.0)))
KNUCKLES = strokes(((1.0, -1.5), (3.6, -1.5)), ((1.0, 0.2), (3.6, 0.2)), ((1.0, 1.9), (3.6, 1.9)))


@dataclass(frozen=True, kw_only=True)
class Grip:
    """Where a hand is, in picture units.

    Attributes:
        x, y: the palm. shape: "fist", "flat" (palm down, fingers seen) or "blade" (a hand on edge).
        degrees: direction of the fingers, 0 right, 90 down; None follows the forearm.
    """

    x: float
    y: float
    shape: str = "fist"
    degrees: float | None = None


def elbow(shoulder: Point, hand: Point, upper: float, fore: float, outward: int) -> Point:
    """Elbow of an arm that reaches from `shoulder` towards `hand`, bent to `outward` (-1 left, 1 right).

    A hand much nearer than the arm is long is held towards the viewer: the segments are foreshortened.
    """
    dx, dy = hand[0] - shoulder[0], hand[1] - shoulder[1]
    distance = max(math.hypot(dx, dy), 1e-3)
    depth = min(1.0, distance / (STRAIGHT * (upper + fore)))
    upper, fore = upper * depth, fore * depth
    reach = min(distance, upper + fore - 1e-3)
    bend = math.acos((upper**2 + reach**2 - fore**2) / (2 * upper * reach))
    angle = math.atan2(dy, dx) - outward * bend
    return shoulder[0] + upper * math.cos(angle), shoulder[1] + upper * math.sin(angle)


@dataclass(frozen=True, kw_only=True)
class Limb:
    """A posed arm: shoulder, elbow, wrist and the hand's direction in degrees."""

    shoulder: Point
    joint: Point
    wrist: Point
    degrees: float


def pose(shoulder: Point, grip: Grip, scale: float, outward: int) -> Limb:
    """Solve one arm."""
    joint = elbow(shoulder, (grip.x, grip.y), UPPER * scale, FORE * scale, outward)
    along = math.atan2(grip.y - joint[1], grip.x - joint[0])
    back = 3.5 * scale
    wrist = (grip.x - back * math.cos(along), grip.y - back * math.sin(along))
    degrees = math.degrees(along) if grip.degrees is None else grip.degrees
    return Limb(shoulder=shoulder, joint=joint, wrist=wrist, degrees=degrees)


def draw_sleeve(canvas: skia.Canvas, limb: Limb, scale: float, cloth: Color, skin: Color) -> None:
    """The clothed arm down to the wrist."""
    (sx, sy), (ex, ey), (wx, wy) = limb.shoulder, limb.joint, limb.wrist
    cx, cy = ex + 0.82 * (wx - ex), ey + 0.82 * (wy - ey)
    canvas.drawPath(polygon([(ex, ey), (wx, wy)], False), line(dark(skin, 0.06), 5.4 * scale))
    arm = skia.Path()
    arm.moveTo(sx, sy)
    arm.quadTo(sx + 0.85 * (ex - sx), sy + 0.85 * (ey - sy), ex, ey)
    arm.lineTo(cx, cy)
    canvas.drawPath(arm, line(dark(cloth, 0.38), 10.2 * scale))
    canvas.drawPath(arm, line(mix(cloth, light(cloth, 0.1), 0.5), 8.6 * scale))
    canvas.save()
    canvas.translate(-0.8 * scale, -1.3 * scale)
    canvas.drawPath(arm, line(light(cloth, 0.22), 2.6 * scale, 0.35))
    canvas.restore()
    length = math.hypot(wx - ex, wy - ey) or 1.0
    nx, ny = -(wy - ey) / length * 3.4 * scale, (wx - ex) / length * 3.4 * scale
    canvas.drawPath(polygon([(cx + nx, cy + ny), (cx - nx, cy - ny)], False), line(dark(cloth, 0.2), 3.6 * scale))


def draw_hand(canvas: skia.Canvas, grip: Grip, limb: Limb, scale: float, outward: int, skin: Color) -> None:
    """The hand, fingers along the limb's direction; its thumb is on the inner side."""
    thumb = -outward if abs(limb.degrees) <= 90 else outward
    with moved(canvas, grip.x, grip.y, limb.degrees, scale, scale * thumb):
        canvas.drawPicture(_hand(grip.shape, skin))


@lru_cache(maxsize=256)
def _hand(shape: str, skin: Color) -> skia.Picture:
    """A right hand whose fingers point to +x."""
    return record(lambda canvas: HANDS[shape](canvas, skin))


def _fist(canvas: skia.Canvas, skin: Color) -> None:
    oval(canvas, 0, 0, 5.0, 4.6, fill(dark(skin, 0.2)))
    oval(canvas, 0.1, -0.1, 4.4, 4.0, fill(light(skin, 0.06)))
    canvas.drawPath(KNUCKLES, line(_crease(skin), 0.7, 0.75))
    canvas.drawPath(bezier((-2.5, 3.4), -0.5, 4.6, 1.5, 4.2, 2.6, 3.0), line(light(skin, 0.03), 2.2))


def _flat(canvas: skia.Canvas, skin: Color) -> None:
    oval(canvas, -0.8, 0, 4.7, 4.1, fill(dark(skin, 0.16)))
    canvas.drawPath(FINGERS, line(dark(skin, 0.2), 2.5))
    oval(canvas, -0.8, 0, 4.2, 3.6, fill(light(skin, 0.05)))
    canvas.drawPath(FINGERS, line(light(skin, 0.05), 1.7))
    canvas.drawPath(bezier((-2.5, 3.0), -0.5, 5.4, 1.5, 5.8, 3.0, 5.4), line(light(skin, 0.03), 2.1))


def _blade(canvas: skia.Canvas, skin: Color) -> None:
    edge = bezier((-4, -2.6), 0, -3.6, 6, -3.2, 8.4, -0.8, 8.6, 1.4, 2, 3.2, -4, 2.8)
    palm = bezier((-4, -2.0), 0, -3.0, 6, -2.6, 7.8, -0.6, 8.0, 0.9, 2, 2.6, -4, 2.2)
    canvas.drawPath(edge, fill(dark(skin, 0.2)))
    canvas.drawPath(palm, fill(light(skin, 0.07)))
    canvas.drawPath(polygon([(1.5, 0.4), (6.4, 0.2)], False), line(_crease(skin), 0.7, 0.6))
    canvas.drawPath(bezier((-3, 2.0), -1, 4.6, 1.5, 4.4, 3.0, 3.0), line(light(skin, 0.03), 2.0))


def _crease(skin: Color) -> Color:
    return dark(mix(skin, (170, 70, 50), 0.25), 0.3)


HANDS = {"fist": _fist, "flat": _flat, "blade": _blade}
