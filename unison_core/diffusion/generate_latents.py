"""From prompts to latents: conditions once per clip, guided velocities once per step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from unison_core.diffusion.guidance import TextGuidance, guided
from unison_core.diffusion.sampler import noise_like, sample
from unison_core.diffusion.schedule import stream_schedules
from unison_core.diffusion.step_cache import StepCache, computed_steps
from unison_core.tasks import Task
from unison_core.types import STREAMS, VIDEO, Latents, Sigmas, TextInputs


@dataclass(frozen=True, kw_only=True)
class SamplerSettings:
    """How a clip is sampled.

    Attributes:
        steps: Euler steps.
        shift: time shift per stream.
        guidance: text guidance.
        lead: `none`, `video` or `audio` runs ahead; lead_amount says how far, in [0, 1].
        cache_every: of the steps in the middle, one in so many is computed (`step_cache`); 1 computes all.
    """

    steps: int
    shift: Mapping[str, float]
    guidance: TextGuidance
    lead: str = "none"
    lead_amount: float = 0.0
    cache_every: int = 1


class JointModel(Protocol):
    """What sampling needs of a model: conditions once per clip, velocities per step."""

    def encode(self, text: TextInputs, frames: int) -> Any: ...

    def __call__(self, latents: Latents, sigmas: Sigmas, conditions: Any) -> Latents: ...


@torch.inference_mode()
def generate_latents(
    model: JointModel,
    *,
    text: TextInputs,
    null: TextInputs,
    frames: int,
    shapes: Mapping[str, tuple[int, ...]],
    generators: list[torch.Generator],
    settings: SamplerSettings,
    task: Task,
    given: Latents | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Tensor]:
    """Sample latents of all streams.

    Args:
        model: on `device`, in `dtype`.
        text: the prompts, B rows. null: what guidance moves away from, B rows.
        frames: pixel frames, 4k+1.
        shapes: latent shape of one clip by stream, without the batch.
        generators: one CPU generator per row; the same seed gives the same clip in any batch.
        settings: steps, shift, guidance, lead.
        task: which streams are given.
        given: their clean latents by stream, B rows; for a given first frame the video entry holds it at index 0.
        progress: called with (steps done, steps).

    Returns:
        Float32 latents by stream; given streams come back unchanged.
    """
    given = given or {}
    missing = sorted(task.given - given.keys()) or ([VIDEO] if task.first_frame and VIDEO not in given else [])
    if missing:
        raise ValueError(f"task {task.name} needs given latents of {missing[0]}")
    start = {s: x.to(device) for s, x in noise_like(shapes, generators).items()}
    for stream in task.given:
        start[stream] = given[stream].to(start[stream])
    if task.first_frame:
        start[VIDEO][:, :, 0] = given[VIDEO][:, :, 0].to(start[VIDEO])
    schedules = stream_schedules(
        settings.steps, shifts=settings.shift, given=task.given, lead=settings.lead, lead_amount=settings.lead_amount
    )
    conditions = model.encode(text.to(str(device)), frames)
    doubled = model.encode(text.stack(null).to(str(device)), frames)

    def branch(bound: Any) -> Callable[[Latents, Sigmas], Latents]:
        return lambda x, sigmas: model({s: x[s].to(dtype) for s in STREAMS}, sigmas, bound)

    velocity = guided(branch(conditions), branch(doubled), settings.guidance)
    if settings.cache_every > 1:
        velocity = StepCache(velocity, computed_steps(settings.steps, settings.cache_every))
    return sample(velocity, start, schedules, first_frame=task.first_frame, progress=progress)


def latent_shapes(
    *, channels: Mapping[str, int], video_latents: int, audio_latents: int, height: int, width: int
) -> dict[str, tuple[int, ...]]:
    """Latent shape of one clip by stream, without the batch; height and width in latents."""
    return {
        s: (channels[s], video_latents, height, width) if s == VIDEO else (audio_latents, channels[s]) for s in STREAMS
    }
