"""Work done in threads a few items ahead, handed out in order: what keeps a device from waiting for its data."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, depth: int = 2, threads: int | None = None
) -> Iterator[Result]:
    """`map(work, items)` in order, up to `depth` items ahead of the one that is handed out.

    Args:
        work: runs in a thread; what it raises is raised at its item's turn.
        items: may be endless; it is read in the caller's thread.
        depth: items that are worked on or lie ready, which bounds memory.
        threads: None is one for each of `depth`.
    """
    if depth < 1:
        raise ValueError(f"depth={depth} must be at least 1")
    running = deque[Future[Result]]()
    pool = ThreadPoolExecutor(threads or depth, thread_name_prefix="ahead")
    try:
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) > depth:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
