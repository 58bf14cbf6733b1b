"""Loss on clips that training never sees, with averaged weights and the same noise every time: what `best` means."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unison_core.training.figures import figures
from unison_core.training.meter import Meter
from unison_core.training.objective import LatentBatch, Losses
from unison_core.training.randomness import DRAW, NOISE, generator


@dataclass(frozen=True, kw_only=True)
class HeldOutConfig:
    """When and on what the held-out loss is measured."""

    shards: str
    """Folder of latents of held-out clips (`unison prepare --split held_out`)."""
    every: int = 1000
    """Steps between two measurements."""
    batches: int = 8
    """Micro-batches a measurement takes, over all processes."""

    def __post_init__(self) -> None:
        if min(self.every, self.batches) < 1:
            raise ValueError(f"every={self.every} and batches={self.batches} must be at least 1")


@torch.no_grad()
def held_out_loss(
    losses: Callable[[LatentBatch, torch.Generator], Losses],
    sample: Callable[[int, torch.Generator], LatentBatch],
    config: HeldOutConfig,
    *,
    micro: int,
    process: int,
    processes: int,
    device: torch.device,
    reduce: Callable[[Tensor], Tensor],
) -> dict[str, float]:
    """Figures by name, `loss` among them, over all processes; every one of them calls this.

    Args:
        losses: of a batch, by the weights that are to be judged, with a generator of the noise.
        sample: draws `count` held-out clips by a generator.
        config: how many. micro: clips per forward pass.
        process, processes: which micro-batches this one takes. All take equally many, the last ones twice if need be.
        device: of the noise. reduce: sums a tensor over processes.
    """
    meter = Meter()
    rounds = -(-config.batches // processes)
    with torch.compiler.set_stance("force_eager"):
        for i in range(rounds):
            part = (i * processes + process) % config.batches
            batch = sample(micro, generator("cpu", 0, part, DRAW))
            for name, pair in figures(losses(batch, generator(device, 0, part, NOISE))).items():
                meter.put(name, *pair)
    return meter.take(reduce)[0]
