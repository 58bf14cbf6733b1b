import pytest
import torch

from unison_core.evaluation.separation import si_sdr


def test_closed_forms() -> None:
    """Orthogonal noise of a tenth of the power is 10 dB, whatever the scale and the offset."""
    time = torch.arange(1000) / 1000 * 6.283185307
    target, noise = torch.sin(5 * time), torch.cos(9 * time)
    made = target + noise * 0.1**0.5
    assert float(si_sdr(made, target)) == pytest.approx(10, abs=1e-3)
    assert float(si_sdr(-7 * made + 3, target + 1)) == pytest.approx(10, abs=1e-3)
    assert float(si_sdr(target, target)) > 100
    assert float(si_sdr(noise, target)) < -60
