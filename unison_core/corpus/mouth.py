"""Mouth shapes over time from phone timings: viseme targets, blended where phones meet (co-articulation).

    shape(t) = sum_p w_p(t) * target_p,   w_p = overlap of a smooth window around t with phone p, times p's dominance

A phone's dominance says how firmly it holds its shape: lips must close for p, b, m; t or n take the shape of their
neighbours (after Cohen and Massaro, "Modeling coarticulation in synthetic visual speech", 1993).
"""

from dataclasses import dataclass

import numpy as np

from unison_core.corpus.scene import Scene

# phone: (opening 0..1, spread -1 rounded .. 1 spread, dominance)
VISEMES: dict[str, tuple[float, float, float]] = {
    "aa": (1.00, 0.1, 1.5), "ae": (0.92, 0.5, 1.5), "ah": (0.86, 0.1, 1.3), "ao": (0.88, -0.5, 1.5),
    "aw": (0.95, -0.2, 1.5), "ax": (0.64, 0.0, 1.0), "axr": (0.60, -0.2, 1.0), "ay": (0.92, 0.4, 1.5),
    "eh": (0.84, 0.5, 1.4), "er": (0.66, -0.4, 1.2), "ey": (0.82, 0.7, 1.4), "ih": (0.72, 0.5, 1.1),
    "iy": (0.66, 0.9, 1.2), "ow": (0.82, -0.7, 1.4), "oy": (0.80, -0.5, 1.4), "uh": (0.66, -0.6, 1.2),
    "uw": (0.58, -1.0, 1.4), "el": (0.60, 0.0, 0.8), "em": (0.00, 0.0, 2.2), "en": (0.42, 0.1, 0.8),
    "b": (0.00, 0.0, 2.4), "p": (0.00, 0.0, 2.4), "m": (0.00, 0.0, 2.4), "f": (0.06, 0.2, 1.9), "v": (0.08, 0.2, 1.9),
    "d": (0.18, 0.2, 0.7), "t": (0.08, 0.2, 0.7), "n": (0.42, 0.2, 0.6), "nx": (0.42, 0.2, 0.6),
    "s": (0.08, 0.5, 1.2), "z": (0.12, 0.5, 1.0), "sh": (0.10, -0.6, 1.2), "zh": (0.12, -0.6, 1.2),
    "ch": (0.08, -0.5, 1.2), "jh": (0.12, -0.5, 1.1), "th": (0.14, 0.2, 1.0), "dh": (0.28, 0.2, 0.8), "dx": (0.30,
    0.2, 0.7),
    "k": (0.06, 0.1, 0.8), "g": (0.18, 0.1, 0.7), "ng": (0.44, 0.1, 0.7), "hh": (0.26, 0.0, 0.5), "hv": (0.28, 0.0,
    0.5),
    "l": (0.60, 0.1, 0.8), "r": (0.58, -0.5, 1.0), "w": (0.36, -1.0, 1.4), "y": (0.45, 0.7, 0.9),
    "pau": (0.00, 0.0, 1.6), "h#": (0.00, 0.0, 1.6), "brth": (0.00, 0.0, 1.6),
}  # fmt: skip

SILENCES = frozenset({"pau", "h#", "brth"})
WINDOW_S = 0.024
"""Standard deviation of the blending window: about half a short vowel."""
OVERSAMPLE = 8


@dataclass(frozen=True, kw_only=True)
class MouthShape:
    """Lips over the frames of a clip, both float32 `(F,)`.

    Attributes:
        opening: 0 closed to 1 wide open.
        spread: -1 rounded (uw) to 1 spread (iy); 0 at rest.
    """

    opening: np.ndarray
    spread: np.ndarray


def mouth_shape(scene: Scene) -> MouthShape:
    """Lip opening and spread at the centres of the scene's frames.

    Raises:
        ValueError: a phone has no viseme.
    """
    unknown = sorted({phone.name for phone in scene.phones} - VISEMES.keys())
    if unknown:
        raise ValueError(f"no viseme for phones {unknown}")
    fine_hz = scene.fps * OVERSAMPLE
    count = scene.frames * OVERSAMPLE
    targets = np.zeros((3, count), dtype=np.float64)  # opening, spread, dominance
    targets[2] = VISEMES["pau"][2]
    for phone in scene.phones:
        start, end = (min(max(round(t * fine_hz), 0), count) for t in (phone.start_s, phone.end_s))
        targets[:, start:end] = np.array(VISEMES[phone.name])[:, None]
    weight = _smooth(targets[2], fine_hz)
    shapes = (_smooth(target * targets[2], fine_hz) / weight for target in targets[:2])
    opening, spread = (s.reshape(scene.frames, OVERSAMPLE).mean(axis=1) for s in shapes)
    opening = np.clip(opening - 0.02, 0.0, None) / 0.98 * _speaking(scene)
    return MouthShape(
        opening=np.clip(opening, 0.0, 1.0).astype(np.float32), spread=np.clip(spread, -1.0, 1.0).astype(np.float32)
    )


def mouth_opening(scene: Scene) -> np.ndarray:
    """How far the mouth is open at each frame: float32 `(F,)` in [0, 1], zero in silence."""
    return mouth_shape(scene).opening


def inside_area(frames: np.ndarray) -> np.ndarray:
    """How many pixels show the open mouth's inside: float32 `(F,)` from uint8 RGB frames `(F, H, W, 3)`.

    Counts the dark wine red of `MOUTH_INSIDE`, with room for a codec's blur, in the upper 55% of the picture,
    where faces
    are. What does not move (a few pixels of hair or furniture) is taken off as the clip's second percentile.
    """
    red, green, blue = (frames[:, : round(0.55 * frames.shape[1]), :, i].astype(np.int16) for i in range(3))
    inside = (red > 45) & (red < 118) & (green < 47) & (red - green > 36) & (red - blue > 24)
    area = inside.sum(axis=(1, 2)).astype(np.float32)
    return np.maximum(area - np.percentile(area, 2), 0.0)


def _smooth(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """Gaussian average over WINDOW_S, ends held."""
    reach = max(1, round(3 * WINDOW_S * rate_hz))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (WINDOW_S * rate_hz)) ** 2)
    return np.convolve(np.pad(values, reach, mode="edge"), kernel / kernel.sum(), mode="valid")


def _speaking(scene: Scene) -> np.ndarray:
    """1 for frames that some spoken phone touches, else 0."""
    mask = np.zeros(scene.frames)
    for phone in scene.phones:
        if phone.name not in SILENCES:
            first, last = int(phone.start_s * scene.fps), int(np.ceil(phone.end_s * scene.fps))
            mask[max(first, 0) : max(last, 0)] = 1.0
    return mask
