"""Several processes, one a device, as a launcher starts them.

`torchrun --nproc-per-node 2 -m unison_cli.app generate ...` and `accelerate launch` set the variables that are read
here; without them a run is alone.
"""

import os
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """This process among those that were started together.

    Attributes:
        rank, size: of this process. local: its number on this machine, which is its device's.
    """

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def alone(self) -> bool:
        """Whether there is one process."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """The device of this process, where the user leaves the choice open."""
        if self.alone or name not in ("auto", "cuda"):
            return name
        import torch

        return f"cuda:{self.local}" if torch.cuda.is_available() else name

    def agree(self, value: T) -> T:
        """The first process's value, in every process: a seed that was drawn, a folder's name."""
        if self.alone:
            return value
        import torch.distributed as dist

        box: list[Any] = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def least(self, value: int) -> int:
        """The smallest of the processes' values."""
        if self.alone:
            return value
        import torch.distributed as dist

        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return min(values)


def world() -> World:
    """What the launcher's variables say."""
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    return World(rank=rank, size=size, local=int(os.environ.get("LOCAL_RANK", str(rank))))
