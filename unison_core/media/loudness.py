"""Programme loudness in LUFS (ITU-R BS.1770-4, gated), by pyloudnorm.

A clip shorter than the 400 ms block is measured as one block of its own length; silence is -inf.
"""

import math
import warnings

import numpy as np

BLOCK_S = 0.4
SILENT_LUFS = -50.0
"""Below this a stem counts as silent."""


def lufs(samples: np.ndarray, rate_hz: int) -> float:
    """Integrated loudness of a mono waveform `(samples,)`; -inf for silence, an empty clip, or all blocks under -70."""
    import pyloudnorm

    if not samples.size or not np.any(samples):
        return -math.inf
    meter = pyloudnorm.Meter(rate_hz, block_size=min(BLOCK_S, len(samples) / rate_hz))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mean over no block, which the next line handles
        value = float(meter.integrated_loudness(samples.astype(np.float64)))
    return value if math.isfinite(value) else -math.inf
