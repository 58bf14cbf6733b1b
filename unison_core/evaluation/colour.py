"""CIE Lab, in which distances between colours are about as large as they look."""

import numpy as np

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE_D65 = np.array([0.95047, 1.0, 1.08883])


def lab(rgb: np.ndarray) -> np.ndarray:
    """Lab `(..., 3)` of sRGB `(..., 3)` in 0 to 255 (IEC 61966-2-1, CIE 15, D65)."""
    value = np.asarray(rgb, dtype=np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE_D65
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def rgb_of_hex(code: str) -> np.ndarray:
    """sRGB `(3,)` in 0 to 255 of `#rrggbb`."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)


def lab_of_hex(code: str) -> np.ndarray:
    """Lab `(3,)` of `#rrggbb`."""
    return lab(rgb_of_hex(code))
