"""Global variance: what flickers as much is as good at any moment; what is smoothed is not."""

import math

import pytest
import torch

from unison_core.training.global_variance import GlobalVariance


def test_it_asks_how_much_and_not_when():
    variance, spectra = GlobalVariance(20), torch.randn(3, 20, 400, generator=torch.Generator().manual_seed(0))
    assert float(variance(spectra, spectra)) == 0
    assert float(variance(spectra.flip(2), spectra)) < 1e-5
    assert float(variance(spectra + 3, spectra)) < 1e-5
    assert float(variance(0.5 * spectra, spectra)) == pytest.approx(math.log(2), abs=0.01)


def test_stillness_is_no_infinite_distance():
    variance, still = GlobalVariance(8), torch.zeros(1, 8, 30)
    assert float(variance(still, still)) == 0
    made = still.clone().requires_grad_()
    variance(made, torch.randn(1, 8, 30, generator=torch.Generator().manual_seed(0))).backward()
    assert made.grad.isfinite().all()
