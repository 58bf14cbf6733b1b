import math

import pytest
import torch

from unison_core.codecs.mel import LogMel, slaney_filters
from unison_core.config import MelConfig, load_preset

RATE_HZ = 16000


@pytest.fixture
def mel() -> LogMel:
    return LogMel(load_preset("nano").codecs.mel, RATE_HZ)


@pytest.mark.parametrize("latents", [1, 2, 31, 94])
def test_two_frames_per_latent(mel: LogMel, latents: int) -> None:
    assert mel(torch.randn(1, 512 * latents) * 0.1).shape == (1, 80, 2 * latents)


def test_silence_is_the_floor_everywhere(mel: LogMel) -> None:
    assert torch.allclose(mel(torch.zeros(1, 8192)), torch.tensor(mel.floor))


def test_ten_times_louder_is_one_more_in_log10(mel: LogMel) -> None:
    wave = torch.randn(1, 8192).clamp(-3, 3) * 0.01
    assert torch.allclose(mel(10 * wave) - mel(wave), torch.ones(1), atol=1e-3)


def test_a_sine_is_loudest_in_the_band_around_it(mel: LogMel) -> None:
    hertz = 1500.0
    wave = 0.3 * torch.sin(2 * math.pi * hertz * torch.arange(16384) / RATE_HZ)[None]
    band = int(mel(wave)[0, :, 20].argmax())
    bins = torch.linspace(0, RATE_HZ / 2, 513)
    centre = float(bins[mel.filters[band].argmax()])
    assert abs(centre - hertz) < 60


def test_filters_have_unit_area_in_hertz() -> None:
    config = MelConfig(n_fft=4096, hop=256, mels=40, fmin=0, fmax=8000, log="ln")
    area = slaney_filters(config, RATE_HZ).sum(dim=1) * RATE_HZ / config.n_fft
    assert torch.allclose(area, torch.ones(40), atol=0.02)


def test_unknown_logarithm_is_refused() -> None:
    with pytest.raises(ValueError, match="log2"):
        LogMel(MelConfig(n_fft=1024, hop=256, mels=80, fmin=0, fmax=8000, log="log2"), RATE_HZ)
