"""Steps that reuse what the model said before: between computed steps the velocity is continued in a straight line.

    v(sigma) = v_1 + (v_1 - v_0) (sigma - sigma_1) / (sigma_1 - sigma_0)

with the two last computed ones. A path from noise to data is nearly straight in its middle; its two ends, where content
and detail are decided, are always computed. The result differs from the exact one.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from unison_core.types import Latents, Sigmas

Velocity = Callable[[Latents, Sigmas], Latents]
FIRST, LAST = 6, 3
"""Steps that are computed at either end."""


def computed_steps(steps: int, every: int) -> list[bool]:
    """Which of `steps` are computed: both ends, and each `every`-th in between; raises ValueError for every < 1."""
    if every < 1:
        raise ValueError(f"cache_every={every} must be at least 1")
    return [i < FIRST or i >= steps - LAST or (i - FIRST) % every == every - 1 for i in range(steps)]


class StepCache:
    """A velocity that is computed on some steps and continued on the others.

    Args:
        velocity: the model, guidance included.
        computed: by step, in the order of calls.
    """

    def __init__(self, velocity: Velocity, computed: list[bool]) -> None:
        self.velocity, self.computed = velocity, computed
        self._step = 0
        self._known: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    def __call__(self, latents: Latents, sigmas: Sigmas) -> dict[str, Tensor]:
        """Velocities by stream at this step."""
        computed = self.computed[self._step] or len(self._known) < 2
        self._step += 1
        if not computed:
            return {stream: self._continued(stream, sigmas[stream]) for stream in latents}
        v = dict(self.velocity(latents, sigmas))
        self._known = [*self._known[-1:], (dict(sigmas), v)]
        return v

    def _continued(self, stream: str, sigma: Tensor) -> Tensor:
        (before, v_0), (last, v_1) = self._known
        old, new, now = (float(s.max()) for s in (before[stream], last[stream], sigma))
        if new == old:  # a given stream, or one that waits
            return v_1[stream]
        return torch.lerp(v_0[stream].float(), v_1[stream].float(), (now - old) / (new - old))
