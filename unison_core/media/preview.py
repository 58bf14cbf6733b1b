"""One picture of a clip: frames in time over the spectrograms of speech, effects and mix, with the moments marked.

All rows share one time axis; the marks are the onsets of the effects stem, so that a glance shows whether the picture
meets its sound.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from unison_core.media.spectrogram import colour, spectrogram_db

WIDTH, MARGIN, GAP = 1280, 84, 6
ROW_HEIGHT = 120
CELL_HEIGHT = 160
AXIS_HEIGHT, HEAD_HEIGHT = 26, 56
PAPER, INK, FAINT, MARK = (250, 249, 246), (34, 36, 42), (132, 134, 140), (0, 168, 150)
SILENT_TOP_DB = -40.0
"""Brightest level of a picture whose every row is quieter than this: silence stays dark."""


def preview(
    frames: np.ndarray, fps: float, rows: Mapping[str, np.ndarray], rate_hz: int, marks_s: Sequence[float], title: str
) -> Image.Image:
    """Draw a clip.

    Args:
        frames: uint8 RGB `(F, H, W, 3)`.
        fps: frames per second.
        rows: waveforms `(samples,)` by label, drawn from top to bottom.
        rate_hz: their sample rate.
        marks_s: moments to mark, in seconds.
        title: one or two lines that say what was asked for.
    """
    left, right = MARGIN, WIDTH - GAP * 2
    inner = right - left
    duration_s = len(frames) / fps
    top = HEAD_HEIGHT
    height = top + CELL_HEIGHT + GAP + len(rows) * (ROW_HEIGHT + GAP) + AXIS_HEIGHT
    sheet = Image.new("RGB", (WIDTH, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    for line, text in enumerate(title.splitlines()[:2]):
        draw.text((left, 8 + 21 * line), _fit(text, font, inner), INK, font)

    _frame_strip(sheet, frames, left, top, inner)
    draw.text((GAP * 2, top + CELL_HEIGHT // 2 - 8), "video", INK, font)
    bottom = top + CELL_HEIGHT + GAP
    levels = {name: spectrogram_db(wave, rate_hz, width=inner, height=ROW_HEIGHT) for name, wave in rows.items()}
    loudest = max([SILENT_TOP_DB, *(float(level.max()) for level in levels.values())])
    for name, level in levels.items():
        sheet.paste(Image.fromarray(colour(level, loudest)), (left, bottom))
        draw.text((GAP * 2, bottom + ROW_HEIGHT // 2 - 8), name, INK, font)
        bottom += ROW_HEIGHT + GAP

    for moment in marks_s:
        x = left + round(moment / duration_s * inner)
        draw.polygon([(x - 5, top - 9), (x + 5, top - 9), (x, top - 1)], fill=MARK)
        draw.line([(x, top), (x, bottom - GAP)], fill=MARK, width=1)
    step = 0.5 if duration_s <= 8 else 1.0
    for tick in np.arange(0, duration_s + 1e-9, step):
        x = left + round(float(tick) / duration_s * inner)
        draw.line([(x, bottom - GAP), (x, bottom)], fill=FAINT)
        draw.text((x, bottom + 2), f"{tick:g} s", FAINT, small, anchor="ma" if x < right - 12 else "ra")
    return sheet


def write_png(path: Path, image: Image.Image) -> None:
    """Write a picture as PNG."""
    image.save(path, format="PNG", optimize=True)


def _frame_strip(sheet: Image.Image, frames: np.ndarray, left: int, top: int, inner: int) -> None:
    """As many whole frames as fit, each shown at the middle of the time that its cell covers."""
    count, height, width, _ = frames.shape
    shape = width / height
    cells = max(1, min(count, round(inner / (CELL_HEIGHT * shape))))
    edges = [left + round(i * inner / cells) for i in range(cells + 1)]
    for i, (x0, x1) in enumerate(pairwise(edges)):
        frame = Image.fromarray(frames[min(count - 1, int((i + 0.5) / cells * count))])
        scale = min((x1 - x0 - 2) / width, CELL_HEIGHT / height)
        small = frame.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS)
        sheet.paste(small, ((x0 + x1 - small.width) // 2, top + (CELL_HEIGHT - small.height) // 2))


def _fit(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + " …") > width:
        text = text[:-1]
    return text + " …"
