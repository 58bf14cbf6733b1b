"""Where a recording's two stems come from when a pipeline is given the recording alone."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from unison_core.errors import UnisonError


class Separator(Protocol):
    """Splits a recording into speech and effects that add up to it."""

    def __call__(self, wave: np.ndarray, rate_hz: int) -> Mapping[str, np.ndarray]:
        """Stems `(samples,)` by audio stream, at the rate of the mono `wave` `(samples,)`."""


def bundled_separator(device: str) -> Separator:
    """The separator that comes with the package; raises UnisonError where this installation has none."""
    try:
        from unison_core.separation import load_separator
    except ImportError as error:
        raise UnisonError("this version cannot separate a recording: give its stems with --speech and --sfx") from error
    return load_separator(device=device)
