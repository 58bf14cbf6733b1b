"""Several folders of latents in given shares: every batch comes from one of them, drawn by its share."""

from collections.abc import Sequence

import torch

from unison_core.training.latents import LatentSource
from unison_core.training.objective import LatentBatch


class MixedLatents:
    """Draws from sources by share (Harmony trains on speech and environmental sound 1:1, supplement B).

    Args:
        sources: where batches come from. shares: how often, in any unit.
    """

    def __init__(self, sources: Sequence[LatentSource], shares: Sequence[float]) -> None:
        if len(sources) != len(shares) or not sources or min(shares) < 0 or sum(shares) <= 0:
            raise ValueError(f"shares={shares} must be non-negative and not all vanish, one for each source")
        self._sources, self._shares = list(sources), torch.tensor(shares, dtype=torch.float)

    def sample(self, count: int, generator: torch.Generator) -> LatentBatch:
        """A batch of one source and clip length; generator on the CPU."""
        chosen = int(torch.multinomial(self._shares, 1, generator=generator))
        return self._sources[chosen].sample(count, generator)

    def __len__(self) -> int:
        return sum(len(source) for source in self._sources)
