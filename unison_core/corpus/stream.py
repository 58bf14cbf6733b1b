"""Corpus items in memory, made by several processes, in the order of their seeds."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from unison_core.corpus.sample import CorpusItem, realise, sample_scenes

AHEAD = 3
"""Tasks that wait or run per worker: enough to keep it busy, few enough to bound memory."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    seeds: range
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
    tasks = (
        _Task(seeds=seeds, split=split, variants=variants, video=video, size=size, extra=extra)
        for seeds in _groups(first_seed, count, variants)
    )
    return _spread(tasks, workers) if workers else chain.from_iterable(map(_work, tasks))


def _spread(tasks: Iterator[_Task], workers: int) -> Iterator[CorpusItem]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    running: deque[Future[list[CorpusItem]]] = deque()
    try:
        running.extend(pool.submit(_work, task) for task in islice(tasks, AHEAD * workers))
        while running:
            items = running.popleft().result()
            running.extend(pool.submit(_work, task) for task in islice(tasks, 1))
            yield from items
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _groups(first_seed: int, count: int, variants: int) -> Iterator[range]:
    """Runs of seeds that share an utterance."""
    seed, end = first_seed, first_seed + count
    while seed < end:
        following = min(seed - seed % variants + variants, end)
        yield range(seed, following)
        seed = following


def _work(task: _Task) -> list[CorpusItem]:
    scenes = sample_scenes(task.seeds, task.split, task.variants, task.extra)
    return [realise(scene, said, video=task.video, size=task.size) for scene, said in scenes]


def _start_worker() -> None:
    """An interrupt is for the parent to handle, and every worker keeps to one core."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
