"""Muon: which parameters are its, that its steps are torch's for matrices, and that a stage trains and resumes."""

from types import SimpleNamespace

import pytest
import torch
from accelerate.utils import DistributedType
from flow_runs import check_exact_resume, config, write_latents
from torch import nn

from unison_core.config import load_preset
from unison_core.errors import UsageError
from unison_core.model.unison import Unison
from unison_core.training import flow_run
from unison_core.training.flow_run import FlowRun
from unison_core.training.flow_training import OptimizerConfig
from unison_core.training.muon import SMALLEST, Muon, is_hidden_matrix, orthogonalised

OPTIMIZER = {"kind": "muon", "lr": 1e-3, "warmup": 2, "schedule": "constant"}


@pytest.fixture
def latents(tmp_path, tiny_preset):
    return write_latents(tmp_path / "latents", tiny_preset)


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 64, 16), (2, 16, 96)])
def test_singular_values_come_out_near_one(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    found = orthogonalised(matrices)
    values = torch.linalg.svdvals(found)
    assert found.shape == matrices.shape
    assert (values > 0.3).all()  # all but vanishing singular values reach 0.7
    assert (values < 1.25).all()
    assert ((u @ v) * found).sum() / (u @ v).norm() / found.norm() > 0.95


def test_hidden_matrices_alone_are_its_own():
    preset = load_preset("nano")
    model = Unison(preset.model, preset.timing)
    hidden = {name for name, p in model.named_parameters() if is_hidden_matrix(name, p)}
    assert {
        "video.blocks.0.attn1.to_q.weight", "audio.fused_blocks.0.ffn.w1.weight", "nodes.0.audio_to_video.to_q.weight",
        "caption.layers.0.qkv.weight", "audio.t_embed.mlp.0.weight",
    } <= hidden  # fmt: skip
    for name in (
        "caption.embed.weight", "transcript.embed.weight", "video.patch_embedding.weight", "video.proj_out.weight",
        "audio.audio_input_proj.0.weight", "audio.final_layer.conv.weight", "video.blocks.0.scale_shift_table",
        "transcript.text_encoder.encoders.0.layers.0.conv_module1.depthwise_conv.weight",
    ):  # fmt: skip
        assert name in dict(model.named_parameters())
        assert name not in hidden
    share = sum(model.get_parameter(name).numel() for name in hidden) / sum(p.numel() for p in model.parameters())
    assert share > 0.95


def test_a_step_of_a_matrix_is_that_of_torchs_muon():
    weight = torch.randn(SMALLEST, 24, generator=torch.Generator().manual_seed(1))
    ours, theirs = nn.Parameter(weight.clone()), nn.Parameter(weight.clone())
    optimizer = Muon({"hidden": ours}, lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1)
    reference = torch.optim.Muon([theirs], lr=1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for seed in range(3):
        ours.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(10 + seed))
        theirs.grad = ours.grad.clone()
        optimizer.step()
        reference.step()
    assert torch.allclose(ours, theirs, atol=2e-4)  # torch computes in bf16
    assert (ours - weight).abs().mean() > 3e-3


def test_vectors_and_convolutions_move_as_they_should():
    vector, kernel = nn.Parameter(torch.ones(4)), nn.Parameter(torch.zeros(16, 16, 3))
    alone = nn.Parameter(torch.ones(4))
    optimizer = Muon({"bias": vector, "conv": kernel}, lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1)
    reference = torch.optim.AdamW([alone], lr=1e-2, betas=(0.9, 0.95), weight_decay=0.0)
    vector.grad, alone.grad = torch.arange(4.0), torch.arange(4.0)
    kernel.grad = torch.randn(16, 16, 3, generator=torch.Generator().manual_seed(0))
    optimizer.step()
    reference.step()
    assert torch.equal(vector, alone)
    assert kernel.square().mean().sqrt().item() == pytest.approx(0.2e-2, rel=0.2)


def test_a_stage_trains_and_resumes_exactly(latents, tmp_path, tiny_preset):
    check_exact_resume(tmp_path, tiny_preset, optimizer=OPTIMIZER, precision="bf16_weights")


def test_an_unknown_kind_and_sharded_weights_are_refused_in_one_line(latents, tmp_path, tiny_preset, monkeypatch):
    with pytest.raises(ValueError, match="none of adamw, muon"):
        OptimizerConfig(kind="sgd")
    sharded = SimpleNamespace(distributed_type=DistributedType.FSDP)
    monkeypatch.setattr(flow_run, "make_processes", lambda precision: sharded)
    with pytest.raises(UsageError, match=r"optimizer\.kind=adamw for FSDP2"):
        FlowRun(config(tmp_path, tiny_preset, optimizer=OPTIMIZER), tiny_preset)
