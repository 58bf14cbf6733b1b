"""Corpus items in memory, made by several processes, in the order of their seeds."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TypeVar

from unison_core.corpus.sample import CorpusItem, realise, sample_scenes

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 3
"""Tasks that wait or run per worker: enough to keep it busy, few enough to bound memory."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    seeds: tuple[int, ...]
    split: str
    variants: int
    video: bool
    size: int
    extra: Path | None


def stream_items(
    split: str,
    first_seed: int,
    count: int,
    workers: int,
    video: bool = True,
    *,
    variants: int = 1,
    size: int = 128,
    extra: Path | None = None,
) -> Iterator[CorpusItem]:
    """Items of the seeds `first_seed .. first_seed + count - 1`, in order, whatever the number of workers.

    Args:
        split: `train` or `held_out`.
        first_seed, count: which items.
        workers: processes; 0 works in this one. Scripts guard their start with `if __name__ == "__main__"`, as for
            every spawned process.
        video: False leaves `clip.frames` None and needs no drawing library.
        variants: how many seeds in a row share one utterance.
        size: side of the picture in pixels.
        extra: more training sentences, as in `load_sentences`.

    Raises:
        Whatever making an item raises, here, at that item's turn. Closing the iterator stops the workers.
    """
    seeds = range(first_seed, first_seed + count)
    groups = (tuple(group) for _, group in groupby(seeds, key=lambda seed: seed // variants))
    tasks = (
        _Task(seeds=group, split=split, variants=variants, video=video, size=size, extra=extra) for group in groups
    )
    return chain.from_iterable(spread(_make, tasks, workers))


def spread(work: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> Iterator[Result]:
    """`map(work, tasks)` over spawned processes: in order, a few tasks ahead, none left behind when closed."""
    if not workers:
        yield from map(work, tasks)
        return
    pending = iter(tasks)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    running: deque[Future[Result]] = deque()
    try:
        running.extend(pool.submit(work, task) for task in islice(pending, AHEAD * workers))
        while running:
            result = running.popleft().result()
            running.extend(pool.submit(work, task) for task in islice(pending, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _make(task: _Task) -> list[CorpusItem]:
    scenes = sample_scenes(task.seeds, task.split, task.variants, task.extra)
    return [realise(scene, said, video=task.video, size=task.size) for scene, said in scenes]


def _start_worker() -> None:
    """An interrupt is for the parent to handle, and every worker keeps to one core."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
