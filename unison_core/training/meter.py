"""Weighted means of training figures between log rows, summed on the device so that no step waits for the host."""

import time
from collections.abc import Callable, Mapping

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
        self._sums[name] = self._sums[name].to(total.device) + total if name in self._sums else total
        self._counts[name] = self._counts[name].to(count.device) + count if name in self._counts else count

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add one observation of each value."""
        for name, value in values.items():
            self.put(name, value)

    def take(self, reduce: Callable[[Tensor], Tensor] | None = None) -> tuple[dict[str, float], float]:
        """Means since the last call, without figures that were never observed, and the seconds they span.

        Args:
            reduce: sums a tensor over processes; each must have put the same names.
        """
        names = sorted(self._sums)
        sums, counts = (self._stacked(x, names) for x in (self._sums, self._counts))
        if reduce is not None and names:
            sums, counts = reduce(torch.stack((sums, counts))).unbind()
        pairs = zip(names, sums.tolist(), counts.tolist(), strict=True)
        means = {name: total / count for name, total, count in pairs if count > 0}
        now = time.monotonic()
        seconds, self._since = now - self._since, now
        self._sums, self._counts = {}, {}
        return means, seconds

    def _stacked(self, values: Mapping[str, Tensor], names: list[str]) -> Tensor:
        device = next((t.device for t in values.values() if t.device.type != "cpu"), torch.device("cpu"))
        return torch.stack([values[name].double().to(device) for name in names]) if names else torch.zeros(0)

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])
