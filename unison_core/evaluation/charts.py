"""Small charts as SVG text: histograms, lines with bands, bars. Colours follow the page's light or dark scheme."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 300, 130, 38, 20, 8
SERIES = ("#0a9396", "#ca6702", "#6a4c93", "#5f6368")
BINS = 16


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points of one line `(n,)`, and the band around it if there is one."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


def histogram(values: Sequence[float], mean: float, low: float | None, high: float | None) -> str:
    """Counts of values, the mean as a line, its interval as a band."""
    start, end = min(values), max(values)
    if end - start < 1e-12:
        start, end = start - 0.5, end + 0.5
    counts, edges = np.histogram(values, BINS, (start, end))
    x, y = _scale(start, end, LEFT, WIDTH - 6), _scale(0, counts.max(), HEIGHT - BOTTOM, TOP)
    parts = []
    if low is not None and high is not None:
        left, right = x(max(low, start)), x(min(high, end))
        parts.append(_rect(left, TOP, max(right - left, 1), HEIGHT - BOTTOM - TOP, "#ca6702", 0.18))
    for count, a, b in zip(counts, edges, edges[1:], strict=False):
        if count:
            parts.append(_rect(x(a) + 0.5, y(count), x(b) - x(a) - 1, y(0) - y(count), SERIES[0]))
    parts.append(_line([(x(mean), TOP), (x(mean), HEIGHT - BOTTOM)], SERIES[1]))
    parts += _axes(start, end, 0, counts.max(), x, y)
    return _svg(parts)


def lines(series: Mapping[str, Series], x_name: str, y_range: tuple[float, float] | None = None) -> str:
    """Lines over a common axis, with a legend."""
    xs = np.concatenate([s.x for s in series.values()])
    ys = np.concatenate([y for s in series.values() for y in (s.y, s.low, s.high) if y is not None])
    bottom, top = y_range or (float(ys.min()), float(ys.max()))
    x, y = _scale(xs.min(), xs.max(), LEFT, WIDTH - 6), _scale(bottom, top, HEIGHT - BOTTOM, TOP + 10)
    parts = []
    for (name, s), tint, place in zip(series.items(), SERIES, range(len(series)), strict=False):
        if s.low is not None and s.high is not None:
            band = [(x(a), y(b)) for a, b in zip(s.x, s.high, strict=True)]
            band += [(x(a), y(b)) for a, b in zip(s.x[::-1], s.low[::-1], strict=True)]
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in band)
            parts.append(f'<polygon points="{points}" fill="{tint}" opacity="0.2"/>')
        parts.append(_line([(x(a), y(b)) for a, b in zip(s.x, s.y, strict=True)], tint))
        parts.append(_text(LEFT + 4 + 90 * place, TOP + 4, name, tint, "start"))
    parts += _axes(xs.min(), xs.max(), bottom, top, x, y)
    parts.append(_text((LEFT + WIDTH) / 2, HEIGHT - 4, x_name, "currentColor", "middle"))
    return _svg(parts)


def bars(groups: Mapping[str, Mapping[str, float]], top: float = 1.0) -> str:
    """Horizontal bars, a group of them a row of text."""
    names = list(dict.fromkeys(name for values in groups.values() for name in values))
    row = 8 * len(names) + 10
    height = TOP + 14 + row * len(groups)
    x = _scale(0, top, 110, WIDTH - 34)
    parts = [
        _text(110 + 80 * i, TOP + 3, name, tint, "start")
        for i, (name, tint) in enumerate(zip(names, SERIES, strict=False))
    ]
    for place, (group, values) in enumerate(groups.items()):
        start = TOP + 12 + row * place
        parts.append(_text(104, start + 9, group, "currentColor", "end"))
        for i, (name, tint) in enumerate(zip(names, SERIES, strict=False)):
            if name in values:
                parts.append(_rect(x(0), start + 8 * i, x(values[name]) - x(0), 7, tint))
                parts.append(_text(x(values[name]) + 3, start + 8 * i + 7, f"{values[name]:.2f}", tint, "start"))
    return _svg(parts, height)


def _scale(low: float, high: float, start: float, end: float):  # type: ignore[no-untyped-def]
    span = (high - low) or 1.0
    return lambda value: float(start + (value - low) / span * (end - start))


def _axes(x0: float, x1: float, y0: float, y1: float, x, y) -> list[str]:  # type: ignore[no-untyped-def]
    base = HEIGHT - BOTTOM
    return [
        f'<path d="M{LEFT},{TOP}V{base}H{WIDTH - 6}" fill="none" stroke="currentColor" opacity="0.5"/>',
        _text(LEFT, base + 11, f"{x0:.3g}", "currentColor", "start"),
        _text(WIDTH - 6, base + 11, f"{x1:.3g}", "currentColor", "end"),
        _text(LEFT - 3, y(y0), f"{y0:.3g}", "currentColor", "end"),
        _text(LEFT - 3, y(y1) + 6, f"{y1:.3g}", "currentColor", "end"),
    ]


def _rect(x: float, y: float, width: float, height: float, fill: str, opacity: float = 1.0) -> str:
    size = f'width="{max(width, 0.5):.1f}" height="{max(height, 0.5):.1f}"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{fill}" opacity="{opacity}"/>'


def _line(points: Sequence[tuple[float, float]], tint: str) -> str:
    text = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    return f'<polyline points="{text}" fill="none" stroke="{tint}" stroke-width="1.6"/>'


def _text(x: float, y: float, text: str, fill: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], height: int = HEIGHT) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" font-size="8.5">{"".join(parts)}</svg>'
