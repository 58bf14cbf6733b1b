"""The video VAE over whole windows, in bf16 with float32 masters, and compiled, computes what diffusers does."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_codec_training import broken_off_and_resumed, settings, sources

from unison_core.codecs import video_vae
from unison_core.config import load_preset
from unison_core.training.codec_audio import AudioVAETrainingConfig
from unison_core.training.codec_video import (
    VideoObjective,
    VideoTask,
    VideoVAETrainingConfig,
    train_video_vae,
)
from unison_core.training.whole_window import WholeWindow, enter


@pytest.fixture
def vae() -> video_vae.VideoVAE:
    torch.manual_seed(0)
    config = replace(load_preset("nano").codecs.video, base_dim=8, decoder_base_dim=8)
    return video_vae.build_video_vae(config)


def gradients(vae: video_vae.VideoVAE, *, compiled: bool = False) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    frames = torch.randint(0, 256, (2, 5, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    config = VideoVAETrainingConfig(stage="video_vae", out="", export="", window=5)
    objective = VideoObjective(vae, config, "aot_eager" if compiled else None)
    loss = objective(frames, torch.Generator().manual_seed(0))["loss"]
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in vae.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("changes", [{}, {"base_dim": 8, "decoder_base_dim": None, "num_res_blocks": 2}])
@pytest.mark.parametrize("frames", [1, 5, 17])
@torch.no_grad()
def test_a_window_at_once_is_what_diffusers_computes_piece_by_piece(changes: dict[str, Any], frames: int) -> None:
    torch.manual_seed(0)
    vae = video_vae.build_video_vae(replace(load_preset("nano").codecs.video, **changes))
    for name, parameter in vae.named_parameters():
        if "gamma" in name or "bias" in name:
            parameter.normal_(1.0 if "gamma" in name else 0.0, 0.3)
    pixels, passes = torch.rand(2, 3, frames, 32, 48) * 2 - 1, WholeWindow(vae)
    moments = video_vae.moments(vae, pixels)
    for ours, theirs in zip(passes.moments(pixels), moments, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    ours, theirs = passes.synthesise(moments[0]), video_vae.synthesise(vae, moments[0])
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_another_kind_of_vae_is_refused() -> None:
    config = replace(load_preset("nano").codecs.video, base_dim=8, is_residual=False, patch_size=None, spatial_stride=4)
    with pytest.raises(ValueError, match="is_residual"):
        WholeWindow(video_vae.build_video_vae(config))


def test_compiled_it_computes_the_same(vae: video_vae.VideoVAE) -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    one, other = gradients(vae, compiled=True), gradients(copy.deepcopy(vae))
    assert not torch._dynamo.utils.counters["graph_break"]
    torch.testing.assert_close(one[0], other[0], atol=1e-4, rtol=1e-3)
    assert one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, other[1][name], atol=1e-4, rtol=1e-3)


def test_in_bf16_everything_but_losses_is_bf16(vae: video_vae.VideoVAE) -> None:
    vae.bfloat16()
    passes = WholeWindow(vae)
    entered: list[torch.dtype] = []
    passes.enter = lambda x, gamma: entered.append(x.dtype) or enter(x, gamma)  # type: ignore[func-returns-value]
    mean, _ = passes.moments(torch.rand(1, 3, 5, 16, 16) * 2 - 1)
    pixels = passes.synthesise(mean)
    assert {mean.dtype, pixels.dtype, *entered} == {torch.bfloat16}
    assert gradients(vae)[0].dtype == torch.float32


def test_training_with_masters_resumes_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def config(name: str) -> VideoVAETrainingConfig:
        common = settings(tmp_path / name, check_items=0)
        return VideoVAETrainingConfig(stage="video_vae", window=5, precision="bf16_weights", **common)

    straight = train_video_vae(config("straight"), sources())
    resumed = broken_off_and_resumed(train_video_vae, VideoTask, config("broken"), monkeypatch)
    ours, theirs = (load_file(folder / "video_vae.safetensors") for folder in (resumed, straight))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    state = torch.load(tmp_path / "straight" / "run" / "checkpoint.pt")["parts"]
    assert {value.dtype for value in state["vae"].values()} == {torch.float32}


def test_other_codecs_name_their_precisions(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of bf16, fp32"):
        AudioVAETrainingConfig(stage="audio_vae", precision="bf16_weights", **settings(tmp_path))
