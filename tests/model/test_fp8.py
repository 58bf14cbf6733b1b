"""8-bit layers: half the memory, and off by what the rounding costs."""

import pytest
import torch
from torch import nn

from unison_core.config import VideoBranchConfig
from unison_core.model.fp8 import IN_A_VIDEO_BLOCK, FP8Linear, quantise_blocks
from unison_core.model.video_branch import VideoBranch


@torch.no_grad()
def test_a_layer_keeps_three_bits_of_mantissa() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(256, 64), torch.randn(2, 5, 256)
    x[0, 0] *= 1000  # a loud token does not drown the others: each has its own scale
    exact, rounded = layer(x), FP8Linear(layer)(x)
    error = (rounded - exact).norm(dim=-1) / exact.norm(dim=-1)
    assert rounded.shape == exact.shape
    assert 0.001 < error.mean() < 0.05
    assert error.max() < 0.08


@torch.no_grad()
def test_zeros_stay_zeros() -> None:
    layer = nn.Linear(8, 4, bias=False)
    nn.init.zeros_(layer.weight)
    assert (FP8Linear(layer)(torch.randn(3, 8)) == 0).all()
    assert torch.isfinite(FP8Linear(nn.Linear(8, 4))(torch.zeros(3, 8))).all()


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_quantised_branch_stays_near(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    config = VideoBranchConfig(dim=96, heads=4, blocks=3, ffn_dim=160, latent_channels=6, text_dim=20, freq_dim=32)
    branch = VideoBranch(config).to(dtype).eval()
    nn.init.normal_(branch.proj_out.weight, std=0.1)

    def velocity() -> torch.Tensor:
        g = torch.Generator().manual_seed(1)
        context = branch.encode_text(torch.randn(1, 5, 20, generator=g))
        state = branch.embed(torch.randn(1, 6, 3, 4, 4, generator=g).to(dtype), torch.full((1, 3), 0.5), context)
        for i in range(3):
            state = branch.block(i, state)
        return branch.head(state)

    exact = velocity()
    large = sum(p.nbytes for p in branch.blocks.parameters())
    assert quantise_blocks(branch.blocks) == 3 * len(IN_A_VIDEO_BLOCK)
    assert sum(t.nbytes for t in (*branch.blocks.parameters(), *branch.blocks.buffers())) < 0.75 * large
    assert 0.001 < (velocity() - exact).norm() / exact.norm() < 0.1
    assert quantise_blocks(branch.blocks) == 0
