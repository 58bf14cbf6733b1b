"""Sound of any length through a model that sees one window: cut, separate, cross-fade, as a stream.

    windows start at 0, step, 2 step, ...;    y(t) = sum_k w_k(t) y_k(t) / sum_k w_k(t)

w_k rises and falls linearly over `fade` samples, except at the ends of the recording. Where windows start depends on
the recording alone, so neither the blocks that it arrives in nor what is computed together changes the result.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from scipy.fft import next_fast_len

from unison_core.separation.config import SeparatorConfig

Submit = Callable[[np.ndarray], "Future[np.ndarray]"]
"""Takes a window `(channels, size)` and promises the speech in it, of the same shape."""


@dataclass(frozen=True)
class Grid:
    """Windows at a recording's own rate, in samples."""

    size: int
    step: int
    fade: int

    @classmethod
    def at_rate(cls, config: SeparatorConfig, rate_hz: int) -> "Grid":
        """The model's windows at another rate, rounded to whole samples.

        A window's own length is rounded up to one that is quick to transform: at 44.1 kHz the nearest is a prime.
        """
        size, step, fade = (
            max(1, round(n * rate_hz / config.rate_hz)) for n in (config.window, config.step, config.fade)
        )
        if rate_hz != config.rate_hz:
            size = next_fast_len(size)
        return cls(size, step, min(fade, size - step))


@dataclass(frozen=True)
class Window:
    """A stretch `(channels, size)` of which `samples` belong to the recording; the rest is silence."""

    wave: np.ndarray
    samples: int
    last: bool


def separate_stream(
    blocks: Iterable[np.ndarray], grid: Grid, submit: Submit, ahead: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks `(channels, any)` of a recording -> blocks of (recording, speech), as long as each other.

    Args:
        blocks: the recording in order.
        grid: its windows.
        submit: the model.
        ahead: windows that are handed over before the first one's result is waited for.
    """
    pending: deque[tuple[Window, Future[np.ndarray]]] = deque()
    joined = OverlapAdd(grid)
    for window in cut(blocks, grid):
        pending.append((window, submit(window.wave)))
        while len(pending) > ahead:
            window, speech = pending.popleft()
            yield joined.add(window, speech.result())
    while pending:
        window, speech = pending.popleft()
        yield joined.add(window, speech.result())


def cut(blocks: Iterable[np.ndarray], grid: Grid) -> Iterator[Window]:
    """The windows of a recording; none for an empty one. A window is the last where the recording ends within it."""
    kept: list[np.ndarray] = []
    length = 0
    for block in blocks:
        kept.append(block)
        length += block.shape[1]
        if length <= grid.size:
            continue
        wave = np.concatenate(kept, axis=1)
        while wave.shape[1] > grid.size:
            yield Window(wave[:, : grid.size], grid.size, last=False)
            wave = wave[:, grid.step :]
        kept, length = [wave], wave.shape[1]
    if length:
        wave = np.concatenate(kept, axis=1)
        yield Window(np.pad(wave, ((0, 0), (0, grid.size - length))), length, last=True)


class OverlapAdd:
    """Adds windows up in order, giving out what no later window touches."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._ramp = ((np.arange(grid.fade) + 0.5) / grid.fade).astype(np.float32)
        self._sum: np.ndarray | None = None  # (channels, size) from the next window's start on
        self._weight = np.zeros(grid.size, np.float32)

    def add(self, window: Window, speech: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take the speech `(channels, size)` of the next window; returns finished blocks of recording and speech."""
        weight = np.ones(self.grid.size, np.float32)
        if self._sum is None:
            self._sum = np.zeros_like(speech)
        else:
            weight[: self.grid.fade] = self._ramp
        if not window.last:
            weight[-self.grid.fade :] = self._ramp[::-1]
        self._sum += weight * speech
        self._weight += weight
        count = window.samples if window.last else self.grid.step
        done = self._sum[:, :count] / self._weight[:count]
        self._sum = _shifted(self._sum, count)
        self._weight = _shifted(self._weight, count)
        return window.wave[:, :count], done


def _shifted(x: np.ndarray, count: int) -> np.ndarray:
    shifted = np.zeros_like(x)
    if count < x.shape[-1]:
        shifted[..., : x.shape[-1] - count] = x[..., count:]
    return shifted
