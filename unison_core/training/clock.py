"""How far training is, by steps or by time, whichever is further; schedules are keyed to it.

    progress = max(step / steps, elapsed / minutes)
    lr = peak * min(1, step / warmup) * (1 + cos(pi * progress)) / 2
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Counts steps and seconds; survives a resume.

    Attributes:
        steps: optimizer steps of the whole training.
        minutes: time limit; 0 counts steps alone.
    """

    steps: int
    minutes: float = 0.0
    step: int = 0
    spent_s: float = 0.0
    _since: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """Begin to count now: what came before, such as filling a pool, costs nothing."""
        self._since = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, all resumes together."""
        return self.spent_s + time.monotonic() - self._since

    @property
    def progress(self) -> float:
        """Fraction done, in [0, 1]."""
        by_time = self.elapsed_s / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(self.step / self.steps, by_time))

    def cosine(self, warmup: int) -> float:
        """Factor on the learning rate: linear warm-up over `warmup` steps, cosine to 0 at progress 1."""
        rise = min(1.0, (self.step + 1) / max(warmup, 1))
        return rise * 0.5 * (1 + math.cos(math.pi * self.progress))

    def state_dict(self) -> dict[str, float]:
        return {"step": self.step, "spent_s": self.elapsed_s}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        self.step, self.spent_s = int(state["step"]), float(state["spent_s"])
        self.start()
