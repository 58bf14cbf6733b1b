"""Weighted means of training figures between log rows, summed on the device so that no step waits for the host."""

import time
from collections.abc import Mapping

import torch
from torch import Tensor


class Meter:
    """Collects values until `take`."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}
        self._since = time.monotonic()

    def put(self, name: str, total: Tensor | float, count: Tensor | float = 1.0) -> None:
        """Add `total`, a sum over `count` observations."""
        total, count = (torch.as_tensor(x).detach().float() for x in (total, count))
        self._sums[name] = self._sums[name] + total if name in self._sums else total
        self._counts[name] = self._counts[name] + count if name in self._counts else count

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add one observation of each value."""
        for name, value in values.items():
            self.put(name, value)

    def take(self) -> tuple[dict[str, float], float]:
        """Means since the last call, without figures that were never observed, and the seconds they span."""
        means = {name: float(total) / n for name, total in self._sums.items() if (n := float(self._counts[name])) > 0}
        now = time.monotonic()
        seconds, self._since = now - self._since, now
        self._sums, self._counts = {}, {}
        return means, seconds
