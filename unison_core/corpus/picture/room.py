"""The room: wall, furniture, window frame or fireplace, and the table. All of it stands still."""

import numpy as np
import skia

from unison_core.corpus.motion import stream
from unison_core.corpus.picture.layout import TABLE_Y, Layout
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
    smooth,
    strokes,
)
from unison_core.corpus.scene import Scene

BRICK: Color = (164, 92, 70)
WITHOUT_SHADOW = ("knock", "clap", "bell", "maraca")
"""Actions in the air, or with a shadow of their own."""


def draw_wall(canvas: skia.Canvas, scene: Scene, layout: Layout) -> None:
    """Wall with light from the window and one or two pieces of furniture on the other side."""
    wall, side = layout.palette.wall, layout.window_side
    rng = stream(scene, "room")
    canvas.drawPaint(
        ramp((64 + 64 * side, 0), (64 - 64 * side, 100), [ink(light(wall, 0.16)), ink(wall), ink(dark(wall, 0.14))])
    )
    kind = int(rng.integers(4))
    if kind == 1:  # faint stripes
        for stripe in range(4, 128, 12):
            block(canvas, stripe, 0, stripe + 5, 128, fill(light(wall, 0.3), 0.22))
    elif kind == 2:  # panelling
        block(canvas, 0, 78, 128, 128, fill(light(wall, 0.25), 0.55))
        block(canvas, 0, 76.5, 128, 79, fill(light(wall, 0.45)))
    elif kind == 3:
        block(canvas, 0, 82, 128, 128, fill(dark(wall, 0.22), 0.5))
    x = 64 - side * rng.uniform(46, 49)
    furniture = (_frame, _shelf, _lamp, _plant)[int(rng.integers(4))]
    furniture(canvas, rng, x, wall)
    if scene.ambience == "fire":
        draw_chimney(canvas, layout)
    oval(
        canvas,
        layout.neck_x - 3 * side,
        70,
        46,
        62,
        glow((layout.neck_x - 3 * side, 70), 60, [ink(dark(wall, 0.5), 0.28), ink(wall, 0)]),
    )


def _frame(canvas: skia.Canvas, rng: np.random.Generator, x: float, wall: Color) -> None:
    """A framed landscape."""
    y, w, h = rng.uniform(24, 32), 12.0, rng.uniform(12, 15)
    block(canvas, x - w + 1, y - h + 1.6, x + w + 1, y + h + 1.6, fill((20, 14, 30), 0.25), 1)
    block(
        canvas,
        x - w,
        y - h,
        x + w,
        y + h,
        fill(((126, 84, 50), (236, 232, 222), (62, 58, 66))[int(rng.integers(3))]),
        1,
    )
    block(
        canvas,
        x - w + 2,
        y - h + 2,
        x + w - 2,
        y + h - 2,
        ramp((x, y - h), (x, y + h), [ink((250, 214, 160)), ink((238, 170, 132))]),
    )
    canvas.save()
    canvas.clipRect(skia.Rect.MakeLTRB(x - w + 2, y - h + 2, x + w - 2, y + h - 2))
    oval(canvas, x + 4, y - 3, 3, 3, fill((252, 244, 214)))
    canvas.drawPath(
        smooth([(x - 14, y + 16), (x - 8, y + 1), (x - 2, y + 6), (x + 5, y - 1), (x + 14, y + 16)]),
        fill((96, 118, 138)),
    )
    canvas.drawPath(smooth([(x - 16, y + 20), (x - 8, y + 7), (x + 3, y + 9), (x + 15, y + 20)]), fill((70, 104, 92)))
    canvas.restore()


def _shelf(canvas: skia.Canvas, rng: np.random.Generator, x: float, wall: Color) -> None:
    """Two shelves of books and a pot."""
    covers: list[Color] = [
        (188, 84, 70),
        (70, 108, 142),
        (222, 180, 92),
        (102, 134, 96),
        (140, 100, 132),
        (226, 220, 206),
    ]
    for y in (28.0, 52.0):
        block(canvas, x - 15, y + 1.5, x + 15, y + 4, fill((20, 14, 30), 0.2))
        left = x - 13 + rng.uniform(0, 4)
        while left < x + (3 if y < 40 else 11):
            width, height = rng.uniform(2.4, 4.2), rng.uniform(10, 15)
            cover = covers[int(rng.integers(len(covers)))]
            block(canvas, left, y - height, left + width, y, fill(mix(cover, wall, 0.2)), 0.5)
            block(canvas, left + 0.5, y - height + 2, left + width - 0.5, y - height + 3, fill((250, 240, 220), 0.6))
            left += width + 0.3
        if y < 40:
            oval(canvas, x + 9.5, y - 4, 4, 4.2, fill((214, 150, 112)))
            block(canvas, x + 7.5, y - 9, x + 11.5, y - 6, fill((214, 150, 112)), 0.8)
        block(canvas, x - 16, y, x + 16, y + 2.2, fill((142, 100, 66)), 0.4)


def _lamp(canvas: skia.Canvas, rng: np.random.Generator, x: float, wall: Color) -> None:
    """A standing lamp with a warm glow."""
    top = rng.uniform(24, 32)
    oval(canvas, x, top + 12, 30, 30, glow((x, top + 12), 30, [ink((255, 238, 190), 0.55), ink((255, 238, 190), 0)]))
    canvas.drawPath(polygon([(x, top + 16), (x, 110)], False), line((70, 62, 64), 1.8))
    canvas.drawPath(bezier((x - 6, top), x - 2, top - 0.8, x + 2, top - 0.8, x + 6, top, x + 8, top + 6, x + 10,
    top + 12, x + 12, top + 18,
                           x + 4, top + 19.5, x - 4, top + 19.5, x - 12, top + 18, x - 10, top + 12, x - 8,
                           top + 6, x - 6, top),
                    ramp((x, top), (x, top + 19), [ink((252, 226, 170)), ink((255, 246, 214))]))  # fmt: skip


def _plant(canvas: skia.Canvas, rng: np.random.Generator, x: float, wall: Color) -> None:
    """A tall pot plant."""
    leaf: Color = ((72, 138, 92), (54, 116, 84), (104, 148, 84))[int(rng.integers(3))]
    for i, angle in enumerate(np.linspace(-72, 72, 9)):
        length = rng.uniform(24, 36) * (1 - 0.002 * abs(angle))
        with moved(canvas, x, 80, angle):
            blade = bezier(
                (0, 0), -5, -length * 0.4, -4, -length * 0.8, 0, -length, 4, -length * 0.8, 5, -length * 0.4, 0, 0
            )
            canvas.drawPath(blade, fill(light(leaf, 0.14) if i % 2 else dark(leaf, 0.12)))
            canvas.drawPath(polygon([(0, -2), (0, -length + 4)], False), line(dark(leaf, 0.35), 0.7, 0.6))
    canvas.drawPath(polygon([(x - 9, 79), (x + 9, 79), (x + 7, 100), (x - 7, 100)]), fill((206, 126, 88)))
    block(canvas, x - 10, 77, x + 10, 81, fill((222, 146, 108)), 1)


def opening_box(layout: Layout) -> tuple[float, float, float, float]:
    """What `draw_opening` covers: left, top, right, bottom."""
    left, top, right, bottom = layout.pane
    return left - 10, top - 12, right + 10, bottom + 8


def draw_opening(canvas: skia.Canvas, scene: Scene, layout: Layout) -> None:
    """Window frame with curtains, or the fireplace's surround, over the pane."""
    left, top, right, bottom = layout.pane
    if scene.ambience == "fire":
        _fireplace(canvas, layout)
        return
    white: Color = (246, 243, 236)
    canvas.drawPath(polygon([(left + 3, top), (left + 13, top), (left + 3, top + 26)]), fill((255, 255, 255), 0.13))
    middle = 0.5 * (left + right)
    frame = skia.Rect.MakeLTRB(left - 1, top - 1, right + 1, bottom + 1)
    canvas.drawRect(frame.makeOutset(0.9, 0.9), line((90, 80, 80), 3.4, 0.28))
    canvas.drawRect(frame, line(white, 3.2))
    canvas.drawPath(polygon([(middle, top), (middle, bottom)], False), line(white, 1.7))
    canvas.drawPath(polygon([(middle + 1.1, top), (middle + 1.1, bottom)], False), line((120, 116, 120), 0.5, 0.5))
    block(canvas, left - 5, bottom + 1, right + 5, bottom + 4.6, fill(white), 0.8)
    block(canvas, left - 5, bottom + 4.4, right + 5, bottom + 5.8, fill((60, 50, 60), 0.3), 0.5)
    rng = stream(scene, "curtain")
    if rng.random() < 0.6:
        tone = mix(
            light(layout.palette.wall, 0.45),
            ((250, 240, 224), (214, 190, 170), (190, 206, 220))[int(rng.integers(3))],
            0.6,
        )
        for x, sign in ((left - 3.5, 1), (right + 3.5, -1)):
            cloth = bezier((x, top - 4), x + 3 * sign, top + 12, x + 9 * sign, top + 8, x + 6.5 * sign, top - 4)
            drape = bezier((x, top - 4), x, bottom - 20, x, bottom - 8, x, bottom + 1, x + 2 * sign, bottom + 1.4,
            x + 3 * sign, bottom + 1,
                           x + 4 * sign, bottom, x + 1.5 * sign, bottom - 16, x + 6.5 * sign, top + 10,
                           x + 7 * sign, top - 4)  # fmt: skip
            canvas.drawPath(drape, fill(tone))
            canvas.drawPath(cloth, fill(dark(tone, 0.08), 0.6))
            canvas.drawPath(
                bezier((x + 3 * sign, top - 3), x + 3 * sign, top + 14, x + sign, bottom - 20, x + 1.6 * sign, bottom),
                line(dark(tone, 0.22), 0.8, 0.7),
            )
        canvas.drawPath(polygon([(left - 5, top - 4), (right + 5, top - 4)], False), line((110, 84, 66), 1.8))


def _fireplace(canvas: skia.Canvas, layout: Layout) -> None:
    left, top, right, bottom = layout.pane
    middle = 0.5 * (left + right)
    surround = skia.Path()
    surround.setFillType(skia.PathFillType.kEvenOdd)
    surround.addRect(skia.Rect.MakeLTRB(left - 6, top - 2, right + 6, bottom + 6))
    arch = bezier((left + 2, bottom + 3), left + 2, bottom - 10, left + 2, top + 24, left + 2, top + 18,
                  left + 4, top + 7, right - 4, top + 7, right - 2, top + 18,
                  right - 2, top + 24, right - 2, bottom - 10, right - 2, bottom + 3)  # fmt: skip
    arch.close()
    surround.addPath(arch)
    _bricks(canvas, surround, layout)
    canvas.drawPath(arch, line(dark(BRICK, 0.5), 1.6))
    block(
        canvas,
        left - 9,
        top - 5,
        right + 9,
        top + 1,
        ramp((0, top - 5), (0, top + 1), [ink((178, 128, 84)), ink((120, 78, 48))]),
        1,
    )
    for x in (middle - 12, middle + 12):
        block(canvas, x - 1.6, top - 11, x + 1.6, top - 5, fill((244, 236, 214)), 0.6)
    block(canvas, left - 6, bottom + 2, right + 6, bottom + 6, fill((96, 84, 84)), 0.6)


def draw_chimney(canvas: skia.Canvas, layout: Layout) -> None:
    """The brickwork below the fireplace."""
    left, _, right, bottom = layout.pane
    lower = skia.Path()
    lower.addRect(skia.Rect.MakeLTRB(left - 6, bottom, right + 6, 128))
    _bricks(canvas, lower, layout)


def _bricks(canvas: skia.Canvas, area: skia.Path, layout: Layout) -> None:
    left, top, right, _ = layout.pane
    joints = []
    for row, y in enumerate(np.arange(top, 128, 5.0)):
        joints.append(((left - 6, y), (right + 6, y)))
        joints += [((x, y), (x, y + 5)) for x in np.arange(left - 6 + (row % 2) * 4.5, right + 6, 9.0)]
    canvas.drawPath(area, fill(BRICK))
    canvas.save()
    canvas.clipPath(area, doAntiAlias=True)
    canvas.drawPath(strokes(*joints), line(dark(BRICK, 0.35), 0.7, 0.7))
    canvas.restore()


def draw_table(canvas: skia.Canvas, scene: Scene, layout: Layout) -> None:
    """Table top in the foreground."""
    wood = layout.palette.table
    block(
        canvas,
        -2,
        TABLE_Y,
        130,
        130,
        ramp((0, TABLE_Y), (0, 128), [ink(light(wood, 0.12)), ink(wood), ink(dark(wood, 0.22))]),
    )
    block(canvas, -2, TABLE_Y, 130, TABLE_Y + 1.1, fill(light(wood, 0.42), 0.7))
    rng = stream(scene, "table")
    for y in (103.5, 108.5, 114.5, 121.5):
        shift = float(rng.uniform(-14, 14))
        canvas.drawPath(
            smooth([(-4, y), (34 + shift, y - 0.9), (78 + shift, y + 1.0), (132, y - 0.3)], False),
            line(dark(wood, 0.3), 0.8, 0.3),
        )
    if scene.action not in (None, *WITHOUT_SHADOW):
        with moved(canvas, layout.prop_x, layout.prop_y + 4, 0, 1, 0.25):
            oval(canvas, 0, 0, 34, 34, glow((0, 0), 34, [ink((20, 10, 24), 0.4), ink((20, 10, 24), 0)]))
