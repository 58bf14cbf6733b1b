"""Where a recording's two stems come from when a pipeline is given the recording alone: speech, and the rest."""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol

import numpy as np

from unison_core.errors import UsageError
from unison_core.pipelines.given import Given
from unison_core.separation.find import DEFAULT_SEPARATOR, SeparatorFiles, find_separator
from unison_core.types import SFX, SPEECH

if TYPE_CHECKING:
    from unison_core.separation.separator import Separator as Model


class Separator(Protocol):
    """Splits a recording into speech and effects that add up to it.

    Attributes:
        facts: name and hash, for the record.
    """

    facts: Mapping[str, str]

    def __call__(self, wave: np.ndarray, rate_hz: int) -> Mapping[str, np.ndarray]:
        """Stems `(samples,)` by audio stream, at the rate of the mono `wave` `(samples,)`."""


class StemSeparator:
    """A Mel-Band RoFormer over overlapping windows."""

    def __init__(self, model: "Model", facts: Mapping[str, str]) -> None:
        self._model, self.facts = model, facts

    def __call__(self, wave: np.ndarray, rate_hz: int) -> Mapping[str, np.ndarray]:
        from unison_core.separation.overlap_add import Grid, separate_stream

        def submit(window: np.ndarray) -> "Future[np.ndarray]":
            result: Future[np.ndarray] = Future()
            result.set_result(self._model.speech(window[None])[0])
            return result

        grid = Grid.at_rate(self._model.config, rate_hz)
        speech = np.concatenate([made for _, made in separate_stream([wave[None]], grid, submit)], axis=1)[0]
        return {SPEECH: speech, SFX: wave - speech}


def needs_separation(given: Given) -> bool:
    """Whether a stem must be taken out of a recording."""
    return bool(given.audio or given.keep)


def find_bundled() -> SeparatorFiles:
    """The separator that comes with the package; raises UsageError where this installation has none."""
    try:
        return find_separator(DEFAULT_SEPARATOR, offline=True)
    except UsageError as error:
        raise UsageError(
            "a recording must be separated, and this version comes without a separator: give the stems themselves "
            "(speech, sfx), which `unison separate --model` makes"
        ) from error


def bundled_separator(device: str) -> Separator:
    """The bundled separator, loaded."""
    from unison_core.separation.separator import Separator as Model

    files = find_bundled()
    return StemSeparator(Model(files.config, files.load(), device), {"name": files.name, "sha256": files.digest})
