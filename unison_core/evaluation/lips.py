"""Lips and voice: does the mouth on the picture open when the speech stem is loud?

    r(lag) = corr(area(t), level(t + lag)) over the whole clip, at the picture's rate

`area` is the open mouth's inside, found by its colour, which the corpus uses for nothing else; `level` is the stem's
RMS per frame in dB, over the last 30 dB under its loudest frame. r at lag 0 is the figure; the best r within 80 ms is
given beside it, since in natural speech lips lead by 100 to 300 ms (Chandrasekaran et al., 2009). Higher is better.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from unison_core.corpus.scene import MOUTH_INSIDE
from unison_core.evaluation.colour import lab, lab_of_hex

MOUTH_ROWS, MOUTH_COLUMNS = (0.34, 0.56), (0.30, 0.70)
"""Where the mouth is looked for, at every framing, as shares of the picture."""
BOX = (0.13, 0.15)
"""Height and width of the mouth, wide open, with room for its movements."""
SURE, UNSURE = 15.0, 36.0
"""Colour distances at which a pixel counts whole, and not at all."""
YELLOWER = 4.0
"""Weight of being more yellow than the mouth, which skin and brown hair are and blurred lips are not."""
RANGE_DB = 30.0
MAX_LAG_S = 0.08


@dataclass(frozen=True, kw_only=True)
class LipSync:
    """Correlation of mouth opening and speech level, without lag, and at the best lag within 80 ms."""

    r: float
    r_best: float


def mouth_area(frames: np.ndarray) -> np.ndarray:
    """Area of the open mouth in pixels, `(F,)`, from uint8 RGB `(F, H, W, 3)`.

    The mouth is the box around the place where mouth-coloured pixels come and go most.
    """
    height, width = frames.shape[1:3]
    rows, columns = (
        slice(round(low * size), round(high * size))
        for (low, high), size in ((MOUTH_ROWS, height), (MOUTH_COLUMNS, width))
    )
    inside = np.clip((UNSURE - _distance(frames[:, rows, columns])) / (UNSURE - SURE), 0, 1)  # (F, h, w)
    flicker = gaussian_filter(inside.std(axis=0), 0.012 * height)
    box = []
    for centre, share, size in zip(
        np.unravel_index(flicker.argmax(), flicker.shape), BOX, (height, width), strict=True
    ):
        reach = round(share * size / 2)
        box.append(slice(max(0, int(centre) - reach), int(centre) + reach + 1))
    return inside[:, box[0], box[1]].sum(axis=(1, 2))


def speech_level(wave: np.ndarray, rate_hz: int, fps: float, frames: int) -> np.ndarray:
    """RMS of the wave during each of `frames` pictures, `(frames,)`, in dB from -30 to 0, 0 in the loudest."""
    edges = np.round(np.arange(frames + 1) / fps * rate_hz).astype(int)
    energy = np.concatenate([[0.0], np.cumsum(np.square(wave, dtype=np.float64))])
    power = np.diff(energy[np.minimum(edges, len(wave))]) / np.diff(edges)
    if power.max(initial=0.0) <= 0:
        return np.full(frames, -RANGE_DB)
    return np.maximum(10 * np.log10(np.maximum(power, 1e-12) / power.max()), -RANGE_DB)


def lip_sync(area: np.ndarray, level: np.ndarray, fps: float) -> LipSync:
    """Correlations of two curves of one length; 0 where the mouth or the voice never moves."""
    reach = round(MAX_LAG_S * fps)
    by_lag = [
        _correlation(area[max(0, -lag) : len(area) - max(0, lag)], level[max(0, lag) : len(level) - max(0, -lag)])
        for lag in range(-reach, reach + 1)
    ]
    return LipSync(r=by_lag[reach], r_best=max(by_lag))


def _distance(frames: np.ndarray) -> np.ndarray:
    """Distance of pixels to the mouth's colour in Lab, with the axis from red to yellow weighted."""
    lightness, a, b = np.moveaxis(lab(frames) - lab_of_hex(MOUTH_INSIDE), -1, 0)
    redder, warmer = (a - b) / np.sqrt(2), (a + b) / np.sqrt(2)
    return np.sqrt(lightness**2 + warmer**2 + YELLOWER * np.minimum(redder, 0) ** 2)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if min(a.std(), b.std()) < 1e-6:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
