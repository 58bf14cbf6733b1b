"""From prompts to latents: conditions once per clip, guided velocities once per step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from unison_core.diffusion.evaluations import AT_ONCE, Evaluations, JointModel
from unison_core.diffusion.guidance import NULL, PROMPT, Term, TextGuidance, guided
from unison_core.diffusion.sampler import Velocity, noise_like, sample
from unison_core.diffusion.schedule import stream_schedules
from unison_core.diffusion.step_cache import StepCache, computed_steps
from unison_core.diffusion.sync_cfg import SyncGuidance
from unison_core.tasks import Task
from unison_core.types import STREAMS, VIDEO, Latents, TextInputs


@dataclass(frozen=True, kw_only=True)
class SamplerSettings:
    """How a clip is sampled.

    Attributes:
        steps: Euler steps.
        shift: time shift per stream.
        guidance: text guidance.
        sync: SyncCFG; None is off.
        lead: `none`, `video` or `audio` runs ahead; lead_amount says how far, in [0, 1].
        cache_every: of the steps in the middle, one in so many is computed (`step_cache`); 1 computes all.
    """

    steps: int
    shift: Mapping[str, float]
    guidance: TextGuidance
    sync: SyncGuidance | None = None
    lead: str = "none"
    lead_amount: float = 0.0
    cache_every: int = 1


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Latents of all streams and what they cost.

    Attributes:
        latents: float32 by stream; given streams as they were.
        evaluations: rows that the model computed, over all steps.
        at_once: evaluations that memory held in one forward.
    """

    latents: dict[str, Tensor]
    evaluations: int
    at_once: int


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
    reference: Tensor | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    at_once: int = AT_ONCE,
    progress: Callable[[int, int], None] | None = None,
) -> Sampled:
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
        reference: latents `(B, R, C)` of a voice, or None.
        at_once: evaluations of a step in one forward, at most.
        progress: called with (steps done, steps).
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
    terms: list[Term] = [settings.guidance, *(settings.sync.terms() if settings.sync else [])]
    texts = {PROMPT: text.to(str(device)), NULL: null.to(str(device))}
    voice = None if reference is None else reference.to(device)
    evaluate = Evaluations(model, texts, frames, dtype, reference=voice, at_once=at_once)
    velocity: Velocity = guided(evaluate, terms)
    if settings.cache_every > 1:
        velocity = StepCache(velocity, computed_steps(settings.steps, settings.cache_every))
    latents = sample(velocity, start, schedules, first_frame=task.first_frame, progress=progress)
    return Sampled(latents=latents, evaluations=evaluate.count, at_once=evaluate.at_once)


def latent_shapes(
    *, channels: Mapping[str, int], video_latents: int, audio_latents: int, height: int, width: int
) -> dict[str, tuple[int, ...]]:
    """Latent shape of one clip by stream, without the batch; height and width in latents."""
    return {
        s: (channels[s], video_latents, height, width) if s == VIDEO else (audio_latents, channels[s]) for s in STREAMS
    }
