"""How far training is, by steps or by time, whichever is further; schedules are keyed to it.

    progress = max(step / steps, elapsed / minutes)
    lr = peak * min(1, step / warmup) * (1 + cos(pi * progress)) / 2

Processes that train together must take the same steps at the same rates: they `agree` on the main one's progress now
and then, and between two agreements it stands still.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast


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
    _agreed: float | None = None

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
        return self._own_progress() if self._agreed is None else self._agreed

    def agree(self, accelerator: Accelerator) -> None:
        """Take the main process's progress; every process calls this at the same step."""
        if self.minutes and accelerator.num_processes > 1:
            own = torch.tensor(self._own_progress(), dtype=torch.float64, device=accelerator.device)
            self._agreed = float(broadcast(own))

    def rise(self, warmup: int) -> float:
        """Factor on the learning rate: linear warm-up over `warmup` steps, then 1."""
        return min(1.0, (self.step + 1) / max(warmup, 1))

    def cosine(self, warmup: int, final: float = 0.0) -> float:
        """Factor on the learning rate: warm-up, and a cosine from 1 to `final` at progress 1."""
        return self.rise(warmup) * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * self.progress)))

    def _own_progress(self) -> float:
        by_time = self.elapsed_s / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(self.step / self.steps, by_time))

    def state_dict(self) -> dict[str, float]:
        return {"step": self.step, "spent_s": self.elapsed_s}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        self.step, self.spent_s = int(state["step"]), float(state["spent_s"])
        self.start()


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
