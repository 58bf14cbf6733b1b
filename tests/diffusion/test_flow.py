"""Flow matching in sigma notation: end points, inversion, and the shift."""

import pytest
import torch

from unison_core.diffusion.flow import SigmaDistribution, denoised, interpolate, shift, velocity

SHAPES = [(3, 7, 4), (3, 4, 5, 2, 2)]


def _sigma(shape, value):
    return torch.full((shape[0], shape[2]) if len(shape) == 5 else (shape[0],), value)


@pytest.mark.parametrize("shape", SHAPES)
def test_end_points_are_data_and_noise(shape):
    x0, eps = torch.randn(shape), torch.randn(shape)
    assert torch.equal(interpolate(x0, eps, _sigma(shape, 0.0)), x0)
    assert torch.equal(interpolate(x0, eps, _sigma(shape, 1.0)), eps)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_true_velocity_denoises_exactly(shape):
    x0, eps = torch.randn(shape), torch.randn(shape)
    sigma = _sigma(shape, 0.37)
    assert torch.allclose(denoised(interpolate(x0, eps, sigma), velocity(x0, eps), sigma), x0, atol=1e-5)


def test_a_video_frame_has_its_own_noise_level():
    x0, eps = torch.randn(2, 4, 3, 2, 2), torch.randn(2, 4, 3, 2, 2)
    sigma = torch.tensor([[0.0, 1.0, 0.5]] * 2)
    x = interpolate(x0, eps, sigma)
    assert torch.equal(x[:, :, 0], x0[:, :, 0])
    assert torch.equal(x[:, :, 1], eps[:, :, 1])


def test_shift_keeps_the_ends_and_raises_the_middle():
    s = torch.linspace(0, 1, 11)
    assert torch.equal(shift(s, 1.0), s)
    assert torch.allclose(shift(s, 5.0)[[0, -1]], s[[0, -1]])
    assert (shift(s, 5.0)[1:-1] > s[1:-1]).all()


@pytest.mark.parametrize("kind", ["logit_normal", "uniform"])
def test_draws_lie_inside_and_repeat_with_their_seed(kind):
    draws = [SigmaDistribution(kind=kind, shift=3.0).draw(1000, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*draws)
    assert draws[0].min() >= 0
    assert draws[0].max() <= 1


def test_unknown_distribution_is_an_error():
    with pytest.raises(ValueError, match="cosine"):
        SigmaDistribution(kind="cosine")
