"""One Euler loop over streams: x <- x + (sigma' - sigma) v, in float32 (DESIGN 5)."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from unison_core.diffusion.flow import expand
from unison_core.errors import UnisonError
from unison_core.types import VIDEO, Latents

Velocity = Callable[[Latents, Mapping[str, Tensor]], Latents]
"""Velocities by stream, from latents and noise levels (video `(B, T)`, audio `(B,)`)."""


def sample(
    velocity: Velocity,
    start: Latents,
    schedules: Mapping[str, Tensor],
    *,
    first_frame: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Tensor]:
    """Integrate from noise (or given data) to data.

    Args:
        velocity: the model, guidance included.
        start: noise per generated stream, data per given stream; float32.
        schedules: noise levels `(steps + 1,)` per stream; a given stream's are all 0, so it never moves.
        first_frame: video latent frame 0 of `start` is data and stays as it is.
        progress: called with (steps done, steps).

    Returns:
        Latents by stream, float32.

    Raises:
        UnisonError: a step's velocity is not all numbers.
    """
    x = {stream: latents.float() for stream, latents in start.items()}
    steps = len(next(iter(schedules.values()))) - 1
    for step in range(steps):
        now = {s: _level(schedules[s][step], x[s], s, first_frame) for s in x}
        after = {s: _level(schedules[s][step + 1], x[s], s, first_frame) for s in x}
        v = velocity(x, now)
        _check_numbers(v, step, steps)
        x = {s: x[s] + expand(after[s] - now[s], x[s]) * v[s].float() for s in x}
        if progress:
            progress(step + 1, steps)
    return x


def _check_numbers(v: Latents, step: int, steps: int) -> None:
    """Raise UnisonError naming the step and the stream whose velocity is not all numbers; one wait per step."""
    finite = {stream: torch.isfinite(x).all() for stream, x in v.items()}
    if not torch.stack([*finite.values()]).all():
        broken = next(stream for stream, whole in finite.items() if not whole)
        raise UnisonError(
            f"step {step + 1} of {steps}: the velocity of {broken} is not all numbers; try --precision fp32, lower "
            "scales, or another model"
        )


def _level(sigma: Tensor, x: Tensor, stream: str, first_frame: bool) -> Tensor:
    """One noise level spread over samples, and for video over latent frames `(B, T)` with frame 0 clean if given."""
    if stream != VIDEO:
        return sigma.to(x).expand(len(x))
    levels = sigma.to(x).repeat(len(x), x.shape[2])
    if first_frame:
        levels[:, 0] = 0
    return levels


def noise_like(shapes: Mapping[str, tuple[int, ...]], generators: list[torch.Generator]) -> dict[str, Tensor]:
    """Standard normal noise per stream; sample b comes from generator b alone, so batching changes nothing.

    Args:
        shapes: shape of one sample per stream, without the batch.
        generators: one CPU generator per sample.
    """
    return {s: torch.stack([torch.randn(shape, generator=g) for g in generators]) for s, shape in shapes.items()}
