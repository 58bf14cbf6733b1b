"""Bidirectional cross-modal forcing: the cleaner modality leads, the noisier one's loss weighs more (Unison sec. 3.3).

    d = [sigma_a < sigma_v],   w_v = 1 + lambda d,   w_a = 1 + lambda (1 - d)                                  (eq. 8)

Equal sigmas have no leader, hence weights of 1.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from unison_core.diffusion.flow import SigmaDistribution
from unison_core.diffusion.progressive import Phase, ProgressiveSchedule
from unison_core.types import MIX, SPEECH

_REDRAWS = 16


@dataclass(frozen=True, kw_only=True)
class ForcingConfig:
    """Noise levels of the modalities in training."""

    guidance_strength: float = 0.5
    """lambda of eq. 8; 0 is the ablation without forcing weights."""
    schedule: ProgressiveSchedule = field(default_factory=ProgressiveSchedule)
    video_sigma: SigmaDistribution = field(default_factory=SigmaDistribution)
    audio_sigma: SigmaDistribution = field(default_factory=SigmaDistribution)
    """Used for independent draws, and where the picture is given, which leaves the sound nothing to be tied to; a tied
    draw uses `video_sigma`."""
    p_untied_audio: float = 0.0
    """Probability that speech and effects get separate sigmas (the paper ties them)."""


@dataclass(frozen=True, kw_only=True)
class ForcingDraw:
    """Noise levels `(B,)` of video, speech and sfx, and whether eq. 8 applies."""

    video: Tensor
    speech: Tensor
    sfx: Tensor
    reweight: bool

    def of(self, stream: str) -> Tensor:
        """Noise levels of a stream; a mix has those of speech."""
        return getattr(self, SPEECH if stream == MIX else stream)


def draw_sigmas(config: ForcingConfig, phase: Phase, count: int, generator: torch.Generator) -> ForcingDraw:
    """Draw one noise level per sample and modality for the given phase."""
    video = config.video_sigma.draw(count, generator)
    speech = _partner(video, config, phase, generator)
    untied = torch.rand(count, generator=generator, device=video.device) < config.p_untied_audio
    sfx = torch.where(untied, _partner(video, config, phase, generator), speech)
    return ForcingDraw(video=video, speech=speech, sfx=sfx, reweight=phase.reweight)


def _partner(video: Tensor, config: ForcingConfig, phase: Phase, generator: torch.Generator) -> Tensor:
    """Audio sigmas: equal to the video's, or drawn within the phase's bound by truncated redraw."""
    count = len(video)
    audio = config.audio_sigma.draw(count, generator)
    if phase.max_gap < 1:
        for _ in range(_REDRAWS):
            outside = (audio - video).abs() > phase.max_gap
            audio = torch.where(outside, config.audio_sigma.draw(count, generator), audio)
        gap = (audio - video).clamp(-phase.max_gap, phase.max_gap)
        audio = (video + gap).clamp(0, 1)
    independent = torch.rand(count, generator=generator, device=video.device) < phase.p_independent
    return torch.where(independent, audio, video)


def forcing_weights(sigma_v: Tensor, sigma_a: Tensor, guidance_strength: float) -> tuple[Tensor, Tensor]:
    """Loss weights (w_v, w_a) of eq. 8 for noise levels of one shape."""
    w_v = 1 + guidance_strength * (sigma_a < sigma_v).to(sigma_v)
    w_a = 1 + guidance_strength * (sigma_v < sigma_a).to(sigma_v)
    return w_v, w_a
