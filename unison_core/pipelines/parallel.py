"""One clip shared between processes: the picture's tokens, or the rows of a guided step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from unison_core.errors import UnisonError, UsageError
from unison_core.model.sequence_parallel import SequenceParallel
from unison_core.model.unison import Unison
from unison_core.pipelines.processes import World
from unison_core.types import Latents, Sigmas, TextInputs

AUTO, SEQUENCE, GUIDANCE = "auto", "sequence", "guidance"
WAYS = (AUTO, SEQUENCE, GUIDANCE)


def join(place: World, device: torch.device) -> None:
    """Meet the other processes; a process that is alone meets nobody."""
    if place.alone or dist.is_initialized():
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def leave(place: World) -> None:
    """Part from the other processes."""
    if not place.alone and dist.is_initialized():
        dist.destroy_process_group()


def share_clip(model: Unison, way: str, place: World) -> str:
    """Let the processes share each clip; returns the way that was taken.

    Args:
        way: `sequence` cuts the picture's tokens, `guidance` gives each process rows of a guided step; `auto` is the
            former where the heads divide.

    Raises:
        UsageError: `way` is unknown or does not suit the number of processes.
    """
    if way not in WAYS:
        raise UsageError(f"parallel {way!r} is none of {', '.join(WAYS)}")
    if place.alone:
        return way
    divides = model.config.video.heads % place.size == 0
    if way == SEQUENCE and not divides:
        raise UsageError(f"parallel sequence: {place.size} processes must divide {model.config.video.heads} heads")
    if way == GUIDANCE and place.size != 2:
        raise UsageError(f"parallel guidance takes 2 processes, not {place.size}: a guided step has two rows")
    chosen = SEQUENCE if way == SEQUENCE or (way == AUTO and divides) else GUIDANCE
    if chosen == GUIDANCE and place.size != 2:
        raise UsageError(f"{place.size} processes neither divide {model.config.video.heads} heads nor are two")
    model.split(SequenceParallel() if chosen == SEQUENCE else None)
    return chosen


def shared_model(way: str) -> Callable[[Unison], "OneAttempt"]:
    """What the sampler calls in place of the joint model, where processes share a clip in `way`."""
    return lambda model: OneAttempt(SplitRows(model) if way == GUIDANCE else model)


class OneAttempt:
    """The joint model of one of several processes: out of memory ends the run.

    Alone, a process would compute its step again in smaller parts; here the others are in the middle of that step, and
    would take the repetition for what they wait for.
    """

    def __init__(self, model: "Unison | SplitRows") -> None:
        self.model = model

    def encode(self, text: TextInputs, frames: int, *, reference: Tensor | None = None) -> Any:
        """Conditions, as the model gives them."""
        with _final():
            return self.model.encode(text, frames, reference=reference)

    def __call__(self, latents: Latents, sigmas: Sigmas, conditions: Any, **more: Any) -> Latents:
        """Velocities, as the model gives them; raises UnisonError where memory runs out."""
        with _final():
            return self.model(latents, sigmas, conditions, **more)


@contextmanager
def _final() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UnisonError(
            f"out of memory in process {dist.get_rank()} of {dist.get_world_size()} that share the clip: use --memory "
            "offload or stream, or a smaller --size"
        ) from error


class SplitRows:
    """The joint model with a batch's rows spread over the processes; every process gets all velocities."""

    def __init__(self, model: Unison, group: Any = None) -> None:
        self.model, self.group = model, group
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)

    def encode(self, text: TextInputs, frames: int, *, reference: Tensor | None = None) -> Any:
        """Conditions of this process's rows; of all rows, where they do not divide."""
        voice = None if reference is None else self._mine(reference)
        return self.model.encode(text.map(self._mine), frames, reference=voice)

    def __call__(self, latents: Latents, sigmas: Sigmas, conditions: Any, **more: Any) -> dict[str, Tensor]:
        """Velocities of all rows."""
        rows = len(next(iter(latents.values())))
        own = self.model({s: self._mine(x) for s, x in latents.items()},
                         {s: self._mine(x) for s, x in sigmas.items()}, conditions, **more)  # fmt: skip
        return own if rows % self.size else {s: self._all(v) for s, v in own.items()}

    def _mine(self, x: Tensor) -> Tensor:
        return x if len(x) % self.size else x.chunk(self.size)[self.rank]

    def _all(self, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(self.size)]
        dist.all_gather(parts, x.contiguous(), group=self.group)
        return torch.cat(parts)
