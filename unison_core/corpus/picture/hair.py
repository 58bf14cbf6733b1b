"""Hair of five styles, in head coordinates: origin at the head's centre, face 36 wide, chin at 24, crown at -22."""

import numpy as np
import skia

from unison_core.corpus.picture.pen import Color, bezier, dark, fill, ink, light, line, mix, oval, polygon, ramp, smooth


def back_hair(canvas: skia.Canvas, style: str, woman: bool, color: Color) -> None:
    """What hangs behind head and shoulders."""
    deep = dark(color, 0.28)
    if style == "long":
        reach = 38 if woman else 30
        canvas.drawPath(
            bezier(
                (0, -28), -17, -29, -25, -16, -23, 2, -23, 18, -27, reach - 8, -23, reach,
                -10, reach + 4, 10, reach + 4, 23, reach, 27, reach - 8, 23, 18, 23, 2, 25, -16, 17, -29, 0, -28,
            ),
            ramp((0, -20), (0, reach), [ink(deep), ink(dark(color, 0.12))]),
        )  # fmt: skip
    elif style == "bun":
        oval(canvas, 0, -27.5, 9, 7.5, fill(dark(color, 0.15)))
        canvas.drawPath(bezier((-6, -29.5), -3, -33.5, 3, -33.5, 6, -29.5), line(light(color, 0.18), 1.2, 0.7))
        canvas.drawPath(bezier((-7, -25.5), -3, -28.5, 3, -28.5, 7, -25.5), line(dark(color, 0.4), 1.0, 0.7))
    elif style == "curly":
        size = 8.2 if woman else 6.6
        for angle in np.linspace(-215, 35, 12):
            x, y = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
            oval(canvas, 18.5 * x, -5 + 19 * y, size, size, fill(deep))
    elif style == "short" and woman:
        canvas.drawPath(
            bezier((0, -28), -18, -29, -25, -14, -23, 4, -22, 14, -20, 19, -14, 20,
                   -5, 20, 5, 20, 14, 20, 20, 19, 22, 14, 23, 4, 25, -14, 18, -29, 0, -28),
            fill(deep),
        )  # fmt: skip


def front_hair(canvas: skia.Canvas, style: str, woman: bool, color: Color, part: float) -> None:
    """What frames the face; `part` in [-1, 1] places the parting."""
    if style == "bald":
        oval(canvas, -5, -16, 6, 3, fill((255, 255, 255), 0.16))
        return
    sheen, deep = light(color, 0.16), dark(color, 0.35)
    shade = ramp((0, -29), (0, -4), [ink(sheen), ink(color)])
    x = 7 * part
    if style == "curly":
        size = 6.4 if woman else 5.6
        for angle in np.linspace(-186, 6, 10):
            cx, cy = 17.5 * np.cos(np.deg2rad(angle)), -8 + 15.5 * np.sin(np.deg2rad(angle))
            oval(canvas, cx, cy, size, size, fill(mix(color, sheen, 0.5 + 0.5 * np.sin(angle))))
            canvas.drawPath(bezier((cx - 3, cy), cx - 2, cy - 4, cx + 2, cy - 4, cx + 3, cy), line(deep, 0.9, 0.45))
        return
    if style == "short" and not woman:
        canvas.drawPath(
            bezier((-17.6, 0), -20.5, -10, -20, -20, -11, -26, -3, -30, 12, -29, 17, -22, 21, -16, 20, -8, 17.6, 0,
                   16.6, -5, 16.4, -9, 14, -13, 8, -12, 0, -13.5, x - 4, -17, -8, -13, -14, -14, -15.5, -9,
                   -16.5, -6, -17, -3, -17.6, 0),
            shade,
        )  # fmt: skip
        canvas.drawPath(bezier((x - 6, -18), -1, -24, 8, -25, 13, -20), line(deep, 1.0, 0.35))
        canvas.drawPath(bezier((-13, -16), -12, -22, -6, -26, 0, -26), line(light(color, 0.35), 1.2, 0.45))
        return
    # long, bun and a woman's short hair: two sweeps from the parting
    low = {"long": 16.0, "short": 11.0, "bun": -2.0}[style]
    for sign in (-1, 1):
        canvas.drawPath(
            bezier((x, -18), x + sign * 5, -15, sign * 14.5, -12, sign * 15.4, -2,
                   sign * 16.4, 3, sign * 16.8, low - 4, sign * 17.0, low,
                   sign * 21.5, low - 2, sign * 22.5, -4, sign * 20, -14, sign * 17, -25, sign * 7, -28.5, x, -27.5),
            shade,
        )  # fmt: skip
        canvas.drawPath(
            bezier((x + sign * 2, -22), sign * 10, -20, sign * 16, -14, sign * 18.5, -3),
            line(light(color, 0.3), 1.2, 0.4),
        )
        canvas.drawPath(bezier((x, -18), x + sign * 5, -15, sign * 14.5, -12, sign * 15.4, -2), line(deep, 1.0, 0.5))
    canvas.drawPath(polygon([(x, -27), (x, -18.5)], closed=False), line(deep, 1.0, 0.5))
    if style == "bun":
        canvas.drawPath(smooth([(-9, -26), (0, -23.5), (9, -26)], closed=False), line(deep, 1.1, 0.45))
