"""One model for many readers: windows that lie ready are computed together, whichever recording they are of."""

import queue
import threading
from concurrent.futures import Future

import numpy as np

from unison_core.errors import OutOfMemory, is_out_of_memory
from unison_core.separation.separator import Separator

ADVICE = "use a smaller --batch, or another --device"


class SeparationService:
    """A thread that owns the model; `submit` may be called from any thread, and blocks while enough is waiting.

    Windows of one length and channel count are computed together, up to the separator's batch.
    """

    def __init__(self, separator: Separator) -> None:
        self.separator = separator
        self._waiting: queue.Queue[tuple[np.ndarray, Future[np.ndarray]] | None] = queue.Queue(2 * separator.batch)
        self._thread = threading.Thread(target=self._work, daemon=True, name="separation")
        self._thread.start()

    def submit(self, window: np.ndarray) -> "Future[np.ndarray]":
        """Promise the speech in `(channels, n)`."""
        result: Future[np.ndarray] = Future()
        self._waiting.put((window, result))
        return result

    def close(self) -> None:
        """Finish what waits and stop."""
        self._waiting.put(None)
        self._thread.join()

    def __enter__(self) -> "SeparationService":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        held: tuple[np.ndarray, Future[np.ndarray]] | None = None
        while True:
            first = held or self._waiting.get()
            held = None
            if first is None:
                return
            group, ended = [first], False
            rows = max(1, self.separator.batch * self.separator.config.channels // first[0].shape[0])
            while len(group) < rows:
                try:
                    more = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ended = True
                    break
                if more[0].shape != first[0].shape:
                    held = more
                    break
                group.append(more)
            self._compute(group)
            if ended:
                return

    def _compute(self, group: "list[tuple[np.ndarray, Future[np.ndarray]]]") -> None:
        try:
            speech = self.separator.speech(np.stack([window for window, _ in group]))
        except Exception as error:  # the recordings' threads raise it
            reason = OutOfMemory(ADVICE) if is_out_of_memory(error) else error
            for _, result in group:
                result.set_exception(reason)
            return
        for (_, result), made in zip(group, speech, strict=True):
            result.set_result(made)
