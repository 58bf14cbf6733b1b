"""Mixtures that a separator trains on: they add up, keep their ratio, and are as varied as the configuration says."""

import pytest
import torch
from torch import Tensor

from unison_core.training.mixtures import MixtureConfig, Mixtures, cubic, make_mixtures
from unison_core.training.synthetic_sound import band_limits, coloured_noise, equaliser, hum, melody, room

RATE_HZ, SAMPLES = 16000, 8192
QUIET = MixtureConfig(speechless=0, effectless=0, effects=(1.0,), noise=0, hum=0, melodies=0, room=0, band_limited=0,
                      equaliser_db=0, speech_speed=0, effects_speed=0)  # fmt: skip


def draw(config: MixtureConfig, count: int = 16, seed: int = 0) -> Mixtures:
    """Voices are low tones, effects are noise."""
    time_s = torch.arange(20_000) / RATE_HZ
    voices = [torch.sin(6.2832 * hz * time_s).half() for hz in (200, 250, 300)]
    generator = torch.Generator().manual_seed(seed)
    effects = [torch.randn(length, generator=generator).half() for length in (9_000, 30_000)]
    return make_mixtures(voices, effects, count, SAMPLES, RATE_HZ, config, generator)


def rms(x: Tensor) -> Tensor:
    return x.square().mean(dim=-1).sqrt()


def test_ratio_and_level() -> None:
    from dataclasses import replace

    made = draw(replace(QUIET, ratio_db=(-10, -10), gain_db=(-6, -6)))
    torch.testing.assert_close(
        20 * (rms(made.speech) / rms(made.sfx)).log10(), torch.full((16,), -10.0), atol=0.1, rtol=0
    )
    torch.testing.assert_close(made.mix.abs().amax(dim=-1), torch.full((16,), 10 ** (-6 / 20)), atol=1e-4, rtol=0)


def test_either_stem_is_silent_as_often_as_asked() -> None:
    made = draw(MixtureConfig(speechless=0.3, effectless=0.2), count=400)
    assert float((rms(made.speech) == 0).float().mean()) == pytest.approx(0.3, abs=0.08)
    assert float((rms(made.sfx) == 0).float().mean()) == pytest.approx(0.2, abs=0.08)
    assert made.mix.isfinite().all()
    assert float(made.mix.abs().max()) <= 1 + 1e-5


def test_ratios_cover_their_range() -> None:
    made = draw(MixtureConfig(speechless=0, effectless=0), count=200)
    ratios = 20 * (rms(made.speech) / rms(made.sfx)).log10()
    assert float(ratios.min()) < -8
    assert float(ratios.max()) > 13


def test_a_seed_gives_a_batch() -> None:
    torch.testing.assert_close(draw(MixtureConfig(), seed=4).mix, draw(MixtureConfig(), seed=4).mix)
    assert not torch.equal(draw(MixtureConfig(), seed=4).mix, draw(MixtureConfig(), seed=5).mix)


def test_speed_moves_pitch() -> None:
    """Half an octave up, a tone of 200 Hz is one of 283 Hz."""
    wave = torch.sin(6.2832 * 200 * torch.arange(16000) / RATE_HZ)[None]
    faster = cubic(wave, 2**0.5 * torch.arange(SAMPLES)[None])
    peak = float(torch.fft.rfft(faster).abs().argmax()) * RATE_HZ / SAMPLES
    assert peak == pytest.approx(283, abs=2)


def test_cubic_interpolation_returns_samples_and_silence_beyond() -> None:
    wave = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(cubic(wave, torch.arange(2.0, 40.0).expand(2, -1)), wave[:, 2:40])
    assert cubic(wave, torch.tensor([[-5.0, 60.0]] * 2)).abs().max() == 0


def test_sounds() -> None:
    generator = torch.Generator().manual_seed(0)
    noise, mains, notes = (make(8, SAMPLES, RATE_HZ, generator) for make in (coloured_noise, hum, melody))
    for sound in (noise, mains, notes):
        assert sound.shape == (8, SAMPLES)
        assert sound.isfinite().all()
        assert (rms(sound) > 0).all()
    spectrum = torch.fft.rfft(mains).abs().square().mean(dim=0)
    assert float(spectrum[: 600 * SAMPLES // RATE_HZ].sum() / spectrum.sum()) > 0.9
    flatness = [torch.fft.rfft(x).abs().clamp(min=1e-3).log().mean() - torch.fft.rfft(x).abs().mean().log()
                for x in (noise, notes)]  # fmt: skip
    assert flatness[0] > flatness[1]  # notes are peaks


def test_filters() -> None:
    generator = torch.Generator().manual_seed(0)
    bins_hz = torch.fft.rfftfreq(4096, 1 / RATE_HZ)
    gains_db = 20 * equaliser(50, bins_hz, 9.0, generator).log10()
    assert float(gains_db.abs().max()) <= 9.0 + 1e-4
    assert float(gains_db.std()) > 2
    limits = band_limits(50, bins_hz, generator)
    assert float(limits.max()) <= 1
    assert float(limits[:, 0].max()) < 0.01
    assert float(limits[:, 205].min()) > 0.6  # 800 Hz always passes
    response = room(50, RATE_HZ, generator)
    assert (response[:, 0] == 1).all()
    assert float(response[:, -800:].abs().max()) < float(response[:, 100:900].abs().max()) / 3


def test_short_mixtures_are_silent_before_and_behind() -> None:
    from dataclasses import replace

    made = draw(replace(QUIET, short=0.5), count=200)
    assert torch.equal(made.mix, draw(replace(QUIET, short=0.5), count=200).mix)
    sounding = made.mix != 0
    shares = sounding.float().mean(dim=-1)
    assert float((shares < 0.95).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert 0.2 < float(shares.min()) < 0.4
    first = sounding.float().argmax(dim=-1)
    last = SAMPLES - 1 - sounding.flip(-1).float().argmax(dim=-1)
    assert bool((sounding.sum(dim=-1) > 0.9 * (last - first)).all())  # silence lies outside alone
    later = (first > SAMPLES // 50)[shares < 0.95].float().mean()
    assert float(later) == pytest.approx(0.5, abs=0.15)  # as often from the window's start, as files are
