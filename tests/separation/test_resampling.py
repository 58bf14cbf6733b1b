"""Windows between rates: nothing shifts, nothing below the band limit is lost."""

import torch

from unison_core.separation.resampling import resample, restore

SECONDS = 0.64


def tone(hz: float, rate_hz: int) -> torch.Tensor:
    time_s = torch.arange(round(SECONDS * rate_hz), dtype=torch.float64) / rate_hz
    return torch.sin(6.283185307179586 * hz * time_s).float()[None, None]


def test_a_tone_stays_where_it_is() -> None:
    whole_periods = 400 / SECONDS
    for rate_hz in (8000, 44100, 48000):
        made = resample(tone(whole_periods, rate_hz), round(SECONDS * 16000))
        torch.testing.assert_close(made, tone(whole_periods, 16000), atol=2e-3, rtol=0)


def test_down_and_up_keeps_what_lies_below_the_limit() -> None:
    wave = torch.randn(1, 1, 8192, generator=torch.Generator().manual_seed(0))
    limited = resample(resample(wave, 24576), 8192)
    torch.testing.assert_close(limited, resample(resample(limited, 24576), 8192), atol=1e-5, rtol=0)
    spectra = [torch.fft.rfft(x)[..., :4096] for x in (limited, wave)]
    torch.testing.assert_close(*spectra, atol=1e-3, rtol=1e-4)


def test_above_the_model_band_speech_takes_all_or_nothing_where_it_does_below() -> None:
    recording = torch.randn(1, 2, 24576, generator=torch.Generator().manual_seed(1))
    mix = resample(recording, 8192)
    torch.testing.assert_close(restore(mix, mix, recording), recording, atol=2e-3, rtol=0)
    assert restore(torch.zeros_like(mix), mix, recording).abs().max() == 0


def test_half_the_power_below_is_half_above() -> None:
    recording = torch.randn(1, 1, 24576, generator=torch.Generator().manual_seed(1))
    mix = resample(recording, 8192)
    speech = restore(mix * 0.5**0.5, mix, recording)
    high = torch.fft.rfft(speech)[..., 4500:] / torch.fft.rfft(recording)[..., 4500:]
    assert abs(high.abs().median() - 0.5) < 0.02
