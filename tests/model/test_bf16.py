"""In bf16 the trained model stays as near to float32 as with norms and modulations on float32 copies of the tokens."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange

import unison_core
from unison_core.config import load_preset
from unison_core.model import frame_attention, video_branch
from unison_core.model.unison import Unison
from unison_core.pipelines.workload import blank_latents, blank_text
from unison_core.types import VIDEO
from unison_core.weights.state import load_model_state

FRAMES = 17


def modulated_norm_on_copies(tokens, scale, shift, eps):
    x = F.layer_norm(tokens.float(), tokens.shape[-1:], eps=eps)
    x = torch.addcmul(shift[:, :, None], rearrange(x, "b (t s) d -> b t s d", t=scale.shape[1]), 1 + scale[:, :, None])
    return rearrange(x, "b t s d -> b (t s) d").to(tokens.dtype)


def rms_norm_on_copies(norm, x):
    return F.rms_norm(x.float(), norm.normalized_shape, norm.weight.float(), norm.eps)


@torch.no_grad()
def test_velocities_are_no_farther_from_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = load_preset("nano")
    model = Unison(preset.model, preset.timing).eval()
    load_model_state(model, Path(unison_core.__file__).parent / "bundled" / "unison-nano", partial=True)
    g = torch.Generator().manual_seed(0)
    latents = {s: torch.randn(x.shape, generator=g) for s, x in blank_latents(preset, (128, 128), FRAMES, 2).items()}
    sigmas = {s: torch.full((2, x.shape[2]) if s == VIDEO else (2,), 0.6) for s, x in latents.items()}
    text = blank_text(preset, 2)
    text = replace(text, caption_ids=torch.randint(1, 900, text.caption_ids.shape, generator=g))

    def velocities() -> dict[str, torch.Tensor]:
        return model(latents, sigmas, model.encode(text, FRAMES))

    exact = velocities()
    model.bfloat16()
    ours = velocities()
    monkeypatch.setattr(video_branch, "_modulated_norm", modulated_norm_on_copies)
    for module in (video_branch, frame_attention):
        monkeypatch.setattr(module, "rms_norm", rms_norm_on_copies)
    wide = velocities()
    for stream, x in exact.items():
        error, error_wide = ((y[stream].float() - x).norm() / x.norm() for y in (ours, wide))
        assert 0 < error < 1.1 * error_wide < 0.02, stream
