"""This process among those that `accelerate launch` started: its share of the work, its device, and the end of all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LONGEST_WAIT = timedelta(days=30)
"""How long a process waits for the others at the end."""


@dataclass(frozen=True)
class Share:
    """Process `rank` of `count`."""

    rank: int = 0
    count: int = 1

    @classmethod
    def of_this_process(cls) -> Share:
        return cls(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))


def own_device(name: str, share: Share) -> torch.device:
    """The device called `name`; of several processes each takes its own GPU."""
    from unison_core.pipelines.device import choose_device

    local = os.environ.get("LOCAL_RANK", "0")
    chosen = choose_device(name)
    return choose_device(f"cuda:{local}") if share.count > 1 and chosen.type == "cuda" and ":" not in name else chosen


def join_others(share: Share, device: torch.device) -> Any:
    """Accelerate's view of the other processes; None where there are none."""
    if share.count == 1:
        return None
    from accelerate import PartialState

    return PartialState(cpu=device.type == "cpu", timeout=LONGEST_WAIT)


def total(state: Any, number: int) -> int:
    """The sum over all processes, once all are done: one that ended early would end the others."""
    if state is None:
        return number
    from accelerate.utils import gather_object

    return sum(gather_object([number]))


def wait(state: Any) -> None:
    """Until all processes are here."""
    if state is not None:
        state.wait_for_everyone()
