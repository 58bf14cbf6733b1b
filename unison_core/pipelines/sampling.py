"""A completed request as the sampler takes it: latents of all three streams."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from unison_core.config import Preset
from unison_core.diffusion.generate_latents import JointModel, Sampled, SamplerSettings, generate_latents, latent_shapes
from unison_core.diffusion.guidance import TextGuidance
from unison_core.diffusion.sync_cfg import SyncGuidance
from unison_core.errors import UnisonError
from unison_core.pipelines.request import ClipSpec
from unison_core.types import AUDIO_STREAMS, VIDEO, TextInputs

Progress = Callable[[int, int], None]
"""Called with (steps done, steps)."""


def sample_clip(
    model: JointModel,
    spec: ClipSpec,
    text: TextInputs,
    null: TextInputs,
    *,
    preset: Preset,
    given: Mapping[str, Tensor],
    reference: Tensor | None,
    silence: Callable[[int], Tensor],
    still: Callable[[Tensor], Tensor],
    at_once: int,
    device: torch.device,
    dtype: torch.dtype,
    progress: Progress | None,
) -> Sampled:
    """Latents of one clip.

    Args:
        model: with the attention that is fastest, on the device.
        spec: what is made. text, null: its prompt, and the one that guidance leads away from.
        preset: sizes and rates.
        given: latents by stream that are not generated. reference: mel latents of a voice.
        silence, still: the anchors of SyncCFG (Harmony eq. 9, 10).
        at_once: rows that are evaluated together.
        device, dtype: where and in what. progress: called after every step.

    Raises:
        UnisonError: a value is no number.
    """
    timing, config = preset.timing, preset.model
    frames = timing.frames_covering(spec.duration_s)
    stride = preset.codecs.video.spatial_stride
    sampled = generate_latents(
        model,
        text=text,
        null=null,
        frames=frames,
        shapes=latent_shapes(
            channels={VIDEO: config.video.latent_channels}
            | {stream: config.audio.latent_channels for stream in AUDIO_STREAMS},
            video_latents=timing.video_latents(frames),
            audio_latents=timing.audio_latents(frames),
            height=spec.size[1] // stride,
            width=spec.size[0] // stride,
        ),
        generators=[torch.Generator().manual_seed(spec.seed)],
        settings=SamplerSettings(
            steps=spec.steps,
            shift=spec.shift,
            guidance=TextGuidance(scale=spec.text_scale, interval=spec.guidance_interval),
            sync=SyncGuidance(scale=spec.sync_scale, silence=silence, still=still, interval=spec.sync_interval),
            lead=spec.lead,
            lead_amount=spec.lead_amount,
            cache_every=spec.cache_every,
        ),
        task=spec.given.task,
        given=given,
        reference=reference,
        at_once=at_once,
        device=device,
        dtype=dtype,
        progress=progress,
    )
    for stream, x in sampled.latents.items():
        if not torch.isfinite(x).all():
            raise UnisonError(f"the {stream} latents are not all numbers: try --precision fp32 or lower scales")
    return sampled
