"""The video VAE in bf16 with float32 masters, with fused norms, and compiled, computes what it did."""

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
    compile_vae,
    train_video_vae,
)
from unison_core.training.fused_norms import fuse_norms


@pytest.fixture
def vae() -> video_vae.VideoVAE:
    torch.manual_seed(0)
    config = replace(load_preset("nano").codecs.video, base_dim=8, decoder_base_dim=8)
    return video_vae.build_video_vae(config)


def gradients(vae: video_vae.VideoVAE) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    frames = torch.randint(0, 256, (2, 5, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    config = VideoVAETrainingConfig(stage="video_vae", out="", export="", window=5)
    loss = VideoObjective(vae, config)(frames, torch.Generator().manual_seed(0))["loss"]
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in vae.named_parameters() if p.grad is not None}


def same(one: Any, other: Any, **tolerance: float) -> None:
    torch.testing.assert_close(one[0], other[0], **tolerance)
    assert one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, other[1][name], **tolerance)


def test_fused_norms_compute_the_same(vae: video_vae.VideoVAE) -> None:
    fused = copy.deepcopy(vae)
    fuse_norms(fused)
    same(gradients(fused), gradients(vae), atol=1e-4, rtol=1e-3)


def test_a_compiled_vae_computes_the_same_in_two_graphs_a_part(vae: video_vae.VideoVAE) -> None:
    compiled = copy.deepcopy(vae)
    fuse_norms(compiled)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compile_vae(compiled, backend="aot_eager")
    same(gradients(compiled), gradients(vae), atol=1e-4, rtol=1e-3)
    counts = torch._dynamo.utils.counters
    assert counts["stats"]["unique_graphs"] == 4
    assert not counts["graph_break"]
    assert compiled.state_dict().keys() == vae.state_dict().keys()


def test_in_bf16_everything_but_losses_is_bf16(vae: video_vae.VideoVAE) -> None:
    fuse_norms(vae.bfloat16())
    wide = []
    for name, module in vae.named_modules():
        module.register_forward_hook(
            lambda _, __, y, name=name: wide.append(name) if torch.is_tensor(y) and y.dtype != torch.bfloat16 else None
        )
    loss, _ = gradients(vae)
    assert loss.dtype == torch.float32
    assert not wide


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
