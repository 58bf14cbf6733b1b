"""RoPE: rotations depend on differences of position, and the 3-D split is Wan's."""

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed

from unison_core.model.rope import apply_rope, rope_angles, rope_angles_3d


@pytest.mark.parametrize("head_dim", [24, 32, 64, 128])
def test_3d_angles_are_wans(head_dim: int) -> None:
    grid = (5, 3, 4)
    cos, sin = WanRotaryPosEmbed(head_dim, (1, 2, 2), 64)(torch.empty(1, 1, 5, 6, 8))
    expected = torch.stack((cos[0, :, 0, 0::2], sin[0, :, 0, 1::2]), dim=-1)
    torch.testing.assert_close(rope_angles_3d(grid, head_dim), expected, atol=1e-6, rtol=0)


def test_adjacent_pairs_turn_like_complex_numbers() -> None:
    x = torch.randn(2, 3, 7, 8)
    positions = torch.linspace(-3, 40, 7)
    frequencies = torch.tensor([1.0, 0.1, 0.01, 0.001])
    phase = torch.polar(torch.ones(7, 4), positions[:, None] * frequencies)
    expected = torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (4, 2))) * phase).flatten(-2)
    torch.testing.assert_close(apply_rope(x, rope_angles(positions, 8)), expected)


def test_products_depend_on_the_difference_alone() -> None:
    q, k = torch.randn(2, 1, 1, 1, 16)

    def product(a: float, b: float) -> torch.Tensor:
        turned = (apply_rope(x, rope_angles(torch.tensor([p]), 16)) for x, p in ((q, a), (k, b)))
        return torch.mul(*turned).sum()

    torch.testing.assert_close(product(3.5, 1.25), product(103.5, 101.25), atol=1e-4, rtol=1e-4)
    assert (product(3.5, 1.25) - product(3.5, 2.25)).abs() > 1e-3


def test_position_zero_is_the_identity_and_length_is_kept() -> None:
    x = torch.randn(1, 2, 5, 12)
    torch.testing.assert_close(apply_rope(x, rope_angles(torch.zeros(5), 12)), x)
    torch.testing.assert_close(apply_rope(x, rope_angles(torch.arange(5), 12)).norm(dim=-1), x.norm(dim=-1))


def test_distant_positions_are_exact() -> None:
    positions = torch.tensor([100_000.0])
    expected = torch.tensor([100_000.0], dtype=torch.float64).cos().float()
    torch.testing.assert_close(rope_angles(positions, 2)[..., 0].flatten(), expected, atol=1e-7, rtol=0)


def test_odd_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="dim=7"):
        rope_angles(torch.zeros(1), 7)


def test_a_compiler_sees_the_formula_written_out_with_the_same_gradient() -> None:
    torch._dynamo.reset()
    x = torch.randn(2, 3, 5, 8, 2)[..., 0].requires_grad_()  # strided, as interleaved projections are
    angles, weights = rope_angles(torch.arange(5), 8), torch.randn(2, 3, 5, 8)
    found = []
    for rotate in (apply_rope, torch.compile(apply_rope, backend="eager", fullgraph=True)):
        turned = rotate(x, angles)
        (gradient,) = torch.autograd.grad((turned * weights).sum(), x)
        found.append((turned, gradient))
    torch.testing.assert_close(found[0], found[1])
