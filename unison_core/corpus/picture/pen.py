"""Drawing vocabulary: colours, paints, smooth paths and recorded pictures.

Coordinates are picture units: the picture is 128 units wide and high, whatever its size in pixels; y grows downwards.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import skia

UNITS = 128.0
Color = tuple[int, int, int]
Point = tuple[float, float]
WHITE: Color = (255, 255, 255)
SHADOW: Color = (28, 20, 44)


def rgb(code: str) -> Color:
    """`#rrggbb` as three integers."""
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


@lru_cache(maxsize=16384)
def mix(a: Color, b: Color, amount: float) -> Color:
    """Colour between `a` (amount 0) and `b` (amount 1)."""
    red, green, blue = (round(x + (y - x) * amount) for x, y in zip(a, b, strict=True))
    return red, green, blue


def light(color: Color, amount: float) -> Color:
    """`color` towards white."""
    return mix(color, WHITE, amount)


def dark(color: Color, amount: float) -> Color:
    """`color` towards a cool shadow."""
    return mix(color, SHADOW, amount)


def ink(color: Color, alpha: float = 1.0) -> int:
    """Skia's packed colour."""
    return skia.Color(*color, round(255 * min(max(alpha, 0.0), 1.0)))


@lru_cache(maxsize=16384)
def fill(color: Color, alpha: float = 1.0) -> skia.Paint:
    """Paint for a filled shape."""
    return skia.Paint(AntiAlias=True, Color=ink(color, alpha))


@lru_cache(maxsize=16384)
def line(color: Color, width: float, alpha: float = 1.0) -> skia.Paint:
    """Paint for a stroke with round ends, `width` in units."""
    return skia.Paint(
        AntiAlias=True, Color=ink(color, alpha), Style=skia.Paint.kStroke_Style, StrokeWidth=width,
        StrokeCap=skia.Paint.kRound_Cap, StrokeJoin=skia.Paint.kRound_Join,
    )  # fmt: skip


def ramp(start: Point, end: Point, colors: Sequence[int], stops: Sequence[float] | None = None) -> skia.Paint:
    """Paint of a linear gradient through packed `colors`."""
    points = [skia.Point(*start), skia.Point(*end)]
    shader = skia.GradientShader.MakeLinear(points, list(colors), list(stops) if stops else None)
    return skia.Paint(AntiAlias=True, Shader=shader)


def glow(center: Point, radius: float, colors: Sequence[int], stops: Sequence[float] | None = None) -> skia.Paint:
    """Paint of a radial gradient through packed `colors`."""
    shader = skia.GradientShader.MakeRadial(skia.Point(*center), radius, list(colors), list(stops) if stops else None)
    return skia.Paint(AntiAlias=True, Shader=shader)


def polygon(points: Sequence[Point], closed: bool = True) -> skia.Path:
    """Straight lines through `points`."""
    path = skia.Path()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    if closed:
        path.close()
    return path


def strokes(*segments: tuple[Point, Point]) -> skia.Path:
    """Separate straight strokes, drawn at once."""
    path = skia.Path()
    for start, end in segments:
        path.moveTo(*start)
        path.lineTo(*end)
    return path


def smooth(points: Sequence[Point], closed: bool = True) -> skia.Path:
    """Curve through `points` (Catmull-Rom as cubic Beziers)."""
    count = len(points)
    path = skia.Path()
    path.moveTo(*points[0])
    for i in range(count if closed else count - 1):
        before, here, there, after = (
            (points[(i + j) % count] if closed else points[min(max(i + j, 0), count - 1)]) for j in (-1, 0, 1, 2)
        )
        path.cubicTo(
            here[0] + (there[0] - before[0]) / 6, here[1] + (there[1] - before[1]) / 6,
            there[0] - (after[0] - here[0]) / 6, there[1] - (after[1] - here[1]) / 6, *there,
        )  # fmt: skip
    if closed:
        path.close()
    return path


def bezier(start: Point, *curves: float) -> skia.Path:
    """Cubic Beziers from `start`, six numbers each."""
    path = skia.Path()
    path.moveTo(*start)
    if len(curves) % 6:
        raise ValueError(f"{len(curves)} numbers are not whole cubic curves")
    for i in range(0, len(curves), 6):
        path.cubicTo(*curves[i : i + 6])
    return path


def oval(canvas: skia.Canvas, x: float, y: float, rx: float, ry: float, paint: skia.Paint) -> None:
    """Ellipse around (x, y)."""
    canvas.drawOval(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry), paint)


def block(
    canvas: skia.Canvas, left: float, top: float, right: float, bottom: float, paint: skia.Paint, r: float = 0.0
) -> None:
    """Rectangle with corners rounded by `r`."""
    canvas.drawRoundRect(skia.Rect.MakeLTRB(left, top, right, bottom), r, r, paint)


def record(draw: Callable[[skia.Canvas], None]) -> skia.Picture:
    """What `draw` draws, to be replayed cheaply on any frame."""
    recorder = skia.PictureRecorder()
    draw(recorder.beginRecording(skia.Rect.MakeLTRB(-UNITS, -UNITS, 2 * UNITS, 2 * UNITS)))
    return recorder.finishRecordingAsPicture()


@contextmanager
def moved(
    canvas: skia.Canvas, x: float = 0.0, y: float = 0.0, degrees: float = 0.0, sx: float = 1.0, sy: float = 1.0
) -> Iterator[None]:
    """Draw in coordinates with their origin at (x, y), turned by `degrees` and scaled by (sx, sy)."""
    canvas.save()
    canvas.translate(x, y)
    if degrees:
        canvas.rotate(degrees)
    if sx != 1.0 or sy != 1.0:
        canvas.scale(sx, sy)
    try:
        yield
    finally:
        canvas.restore()
