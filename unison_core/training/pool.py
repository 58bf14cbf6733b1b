"""An in-memory pool that workers keep filling while training draws from it, so that the device never waits for data."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import torch

from unison_core.corpus.sample import CorpusItem
from unison_core.errors import UnisonError

T = TypeVar("T")
WAITING = 64
"""Items that may lie ready between two steps before the workers pause."""


class Pool(Generic[T]):
    """Up to `capacity` entries, drawn uniformly; when it is full, every new entry takes the oldest one's place.

    Args:
        items: the stream, read by a thread of its own.
        capacity: entries kept.
        keep: turns an item into an entry (a tensor on the device, say); runs in the caller's thread, in `refill`.
    """

    def __init__(self, items: Iterator[CorpusItem], capacity: int, keep: Callable[[CorpusItem], T | None]) -> None:
        if capacity < 1:
            raise ValueError(f"capacity={capacity} must be at least 1")
        self._capacity, self._keep = capacity, keep
        self._entries: list[T] = []
        self._next = 0
        self._ready: queue.Queue[CorpusItem | Exception | None] = queue.Queue(WAITING)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(items,), daemon=True, name="pool")
        self._thread.start()
        self.received = 0
        self._ended = False

    def __len__(self) -> int:
        return len(self._entries)

    def wait(self, minimum: int, tell: Callable[[float], None] = lambda _: None) -> None:
        """Block until the pool holds `minimum` entries or its source has ended; `tell` takes the fraction there."""
        while len(self) < min(minimum, self._capacity) and not self._ended:
            self._take(self._ready.get())
            tell(len(self) / minimum)
        if not self._entries:
            raise UnisonError("the corpus gave no usable item: check workers and split")

    @property
    def ended(self) -> bool:
        """Whether the source has no more items."""
        return self._ended

    def refill(self) -> None:
        """Take in what lies ready, without waiting; raises what the source raised."""
        while not self._ended:
            try:
                self._take(self._ready.get_nowait())
            except queue.Empty:
                return

    @property
    def entries(self) -> list[T]:
        """What the pool holds now."""
        return list(self._entries)

    def sample(self, count: int, generator: torch.Generator) -> list[T]:
        """`count` entries, with replacement; `generator` is a CPU generator."""
        picks = torch.randint(len(self._entries), (count,), generator=generator).tolist()
        return [self._entries[i] for i in picks]

    def close(self) -> None:
        """Stop the workers."""
        self._closed.set()
        while self._thread.is_alive():
            try:
                self._ready.get(timeout=0.1)
            except queue.Empty:
                continue

    def _take(self, item: CorpusItem | Exception | None) -> None:
        if isinstance(item, Exception):
            raise UnisonError(f"the corpus stopped: {item}") from item
        if item is None:
            self._ended = True
            return
        entry = self._keep(item)
        self.received += 1
        if entry is None:
            return
        if len(self._entries) < self._capacity:
            self._entries.append(entry)
        else:
            self._entries[self._next] = entry
            self._next = (self._next + 1) % self._capacity

    def _read(self, items: Iterator[CorpusItem]) -> None:
        try:
            for item in items:
                self._ready.put(item)
                if self._closed.is_set():
                    break
            last: Exception | None = None
        except Exception as error:  # handed to the training thread, which raises it
            last = error
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        self._ready.put(last)
