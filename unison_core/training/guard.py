"""Steps that would hurt are passed over: gradients that are no numbers, and norms far above the recent ones.

    skip if norm is not finite or norm > spike * median(last `window` norms)

Every process sees the same reduced norm and so decides alike. Training stops, with the reason, where skipping is no
help.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from unison_core.errors import UnisonError


@dataclass(frozen=True, kw_only=True)
class GuardConfig:
    """When a step is passed over, and when training gives up."""

    spike: float = 10.0
    """A step whose gradient norm is this many times the recent median is skipped; 0 skips only what is no number."""
    window: int = 200
    """Norms that the median is taken over; spikes are looked for once half of them are there."""
    patience: int = 20
    """Training stops after this many skipped steps in a row."""
    most: int = 1000
    """Training stops after this many skipped steps in all."""

    def __post_init__(self) -> None:
        if self.spike and self.spike <= 1:
            raise ValueError(f"spike={self.spike} must be over 1, or 0 for off")
        if min(self.window, self.patience, self.most) < 1:
            raise ValueError(f"window={self.window}, patience={self.patience} and most={self.most} must be at least 1")


class StepGuard:
    """Admits or refuses optimizer steps by their gradient norm.

    Attributes:
        skipped: steps refused so far.
    """

    def __init__(self, config: GuardConfig) -> None:
        self.config = config
        self.skipped, self._in_a_row = 0, 0
        self._norms: deque[float] = deque(maxlen=config.window)

    def admit(self, step: int, norm: float, losses: Mapping[str, float]) -> bool:
        """Whether to take optimizer step number `step`.

        Args:
            step: for the message.
            norm: gradient norm before clipping, the same in every process.
            losses: this step's losses by stream, for the message.

        Raises:
            UnisonError: too many steps were refused, in a row or in all.
        """
        reason = self._objection(norm)
        if math.isfinite(norm):
            self._norms.append(norm)  # a new level of the norms is taken in, and no longer a spike
        if reason is None:
            self._in_a_row = 0
            return True
        self.skipped += 1
        self._in_a_row += 1
        if self._in_a_row >= self.config.patience or self.skipped >= self.config.most:
            in_a_row = self._in_a_row >= self.config.patience
            count = f"{self._in_a_row} steps in a row" if in_a_row else f"{self.skipped} steps"
            told = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
            raise UnisonError(
                f"training stopped at step {step}: {count} were skipped, the last one because {reason} "
                f"(losses: {told}); the last checkpoint is sound: lower optimizer.lr, or look at these steps' data"
            )
        return False

    def _objection(self, norm: float) -> str | None:
        if not math.isfinite(norm):
            return f"its gradient norm is {norm}"
        usual = median(self._norms) if len(self._norms) * 2 >= self.config.window else 0.0
        if self.config.spike and usual and norm > self.config.spike * usual:
            return f"its gradient norm {norm:.4g} is {norm / usual:.0f} times the recent median"
        return None

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped, "in_a_row": self._in_a_row, "norms": list(self._norms)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.skipped, self._in_a_row = int(state["skipped"]), int(state["in_a_row"])
        self._norms = deque(state["norms"], maxlen=self.config.window)
