"""Batches drawn before they are needed: a draw depends on (seed, step, part) alone, so the next ones are known."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count

from unison_core.training.batching import BatchPlan
from unison_core.training.latents import LatentSource
from unison_core.training.objective import LatentBatch
from unison_core.training.randomness import DRAW, generator


class Ahead:
    """This process's batches in order, `depth` of them under way while one is trained on.

    Args:
        source: draws them. plan: their size and which parts of a step are this process's.
        seed: of the run. depth: 0 draws each when it is asked for.
    """

    def __init__(self, source: LatentSource, plan: BatchPlan, seed: int, depth: int) -> None:
        self._source, self._plan, self._seed, self._depth = source, plan, seed, depth
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead") if depth else None
        self._coming: deque[tuple[tuple[int, int], Future[LatentBatch]]] = deque()
        self._places: Iterator[tuple[int, int]] = iter(())

    def take(self, step: int, part: int) -> LatentBatch:
        """The batch of micro-batch `part` of step `step`; asked for in order, from any step on."""
        if self._thread is None:
            return self._draw(step, part)
        if not self._coming or self._coming[0][0] != (step, part):
            self._coming.clear()
            self._places = ((s, p) for s in count(step) for p in self._plan.parts if (s, p) >= (step, part))
        while len(self._coming) <= self._depth:
            place = next(self._places)
            self._coming.append((place, self._thread.submit(self._draw, *place)))
        return self._coming.popleft()[1].result()

    def close(self) -> None:
        """Give up what is under way."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _draw(self, step: int, part: int) -> LatentBatch:
        return self._source.sample(self._plan.micro, generator("cpu", self._seed, step, part, DRAW))
