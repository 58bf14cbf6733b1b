"""What the trainings of codecs are made of: clock, EMA, pool, segments, losses."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from unison_core.errors import UnisonError
from unison_core.training.clock import Clock
from unison_core.training.discriminators import (
    DiscriminatorConfig,
    Discriminators,
    adversarial_loss,
    discriminator_loss,
    feature_loss,
)
from unison_core.training.ema import EMA
from unison_core.training.latent_noise import channel_stats, disturb
from unison_core.training.picture_loss import PictureLossConfig, moving, picture_loss, psnr_db, ssim
from unison_core.training.pool import Pool
from unison_core.training.segments import SegmentConfig, draw_segments, split_stems
from unison_core.training.spectral_loss import SpectralLoss


def test_learning_rate_rises_then_falls_to_zero() -> None:
    clock = Clock(steps=100)
    rates = []
    for clock.step in range(101):
        rates.append(clock.cosine(10))
    assert rates.index(max(rates)) == 9
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert rates[55] == pytest.approx(0.42, abs=0.02)


def test_time_ends_a_training_that_steps_would_not() -> None:
    clock = Clock(steps=10**9, minutes=1.0)
    clock.load_state_dict({"step": 5, "spent_s": 61})
    assert clock.progress == 1
    assert clock.step == 5


def test_ema_follows_its_recursion_and_steps_aside() -> None:
    model = nn.Linear(2, 2, bias=False)
    ema = EMA(model, 0.9)
    start = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.add_(1.0)
    ema.update(10**6)
    with ema.applied():
        assert torch.allclose(model.weight, start + 0.1)
    assert torch.allclose(model.weight, start + 1.0)
    assert torch.allclose(ema.state_dict_of(model)["weight"], start + 0.1)


def pool_of(values: Iterator[Any], capacity: int) -> Pool[int]:
    return Pool(values, capacity, lambda item: cast(int, item))


def test_pool_replaces_the_oldest() -> None:
    pool = pool_of(iter([1, 2, 3, 4, 5]), 3)
    pool.wait(3)
    while not pool.ended:
        pool.refill()
    assert sorted(pool.entries) == [3, 4, 5]
    assert pool.received == 5
    drawn = pool.sample(4, torch.Generator().manual_seed(0))
    assert drawn == pool.sample(4, torch.Generator().manual_seed(0))
    pool.close()


def test_pool_hands_on_what_went_wrong() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise RuntimeError("no synthesiser")

    pool = pool_of(broken(), 3)
    with pytest.raises(UnisonError, match="no synthesiser"):
        pool.wait(3)
    pool.close()


def test_empty_source_is_an_error() -> None:
    pool = pool_of(iter([]), 3)
    with pytest.raises(UnisonError, match="no usable item"):
        pool.wait(1)
    pool.close()


def test_segments_are_drawn_where_something_sounds() -> None:
    wave = np.zeros(16000, dtype=np.float32)
    wave[8000:8800] = 0.5
    stems = split_stems({"speech": np.zeros(16000, dtype=np.float32), "sfx": wave}, 16000)
    assert len(stems) == 1
    config = SegmentConfig(anywhere=0, silence=0, gain_db=(-6.0, -6.0))
    segments = draw_segments([stems] * 50, 2000, config, torch.Generator().manual_seed(0))
    assert (segments.abs().amax(dim=1) > 0).float().mean() > 0.95
    assert segments.max() == pytest.approx(0.5 * 10 ** (-6 / 20))


def test_disturbance_has_the_size_asked_for() -> None:
    generator = torch.Generator().manual_seed(0)
    mean = 3 * torch.randn(4000, 2, 8, generator=generator)
    noise = disturb(mean, torch.full_like(mean, -30), 0.3, generator) - mean
    expected = 3 * 0.3 / 3**0.5  # the size is uniform in [0, 0.3]
    assert float(noise.std()) == pytest.approx(expected, rel=0.05)
    assert torch.allclose(channel_stats(mean)[1], torch.full((2,), 3.0), rtol=0.05)


def test_equal_pictures_have_no_loss() -> None:
    x = torch.rand(1, 3, 5, 16, 16) * 2 - 1
    assert float(picture_loss(x, x, PictureLossConfig())["picture"]) == pytest.approx(0, abs=1e-5)
    frames = x[:, :, 0]
    assert float(ssim(frames, frames)) == pytest.approx(1, abs=1e-5)
    assert float(ssim(frames, -frames)) < 0


def test_an_error_costs_more_where_something_moves() -> None:
    x = torch.zeros(1, 3, 5, 32, 32)
    x[:, :, 2:, 4:8, 4:8] = 1
    assert moving(x)[0, 0, 0, 6, 6] == 1
    assert moving(x)[0, 0, 0, 25, 25] == 0
    on_motion, on_background = x.clone(), x.clone()
    on_motion[..., 4:8, 4:8] += 0.2
    on_background[..., 24:28, 24:28] += 0.2
    config = PictureLossConfig()
    assert picture_loss(on_motion, x, config)["l1"] > 3 * picture_loss(on_background, x, config)["l1"]


def test_psnr_of_one_level() -> None:
    a = torch.full((2, 1, 4, 4, 3), 100, dtype=torch.uint8)
    assert torch.allclose(psnr_db(a + 1, a), torch.tensor(48.13), atol=0.01)


def test_equal_waves_have_no_spectral_distance() -> None:
    wave = torch.randn(1, 8192) * 0.1
    spectra = SpectralLoss(16000)
    assert all(float(v) == pytest.approx(0, abs=1e-5) for v in spectra(wave, wave).values())
    louder = spectra(2 * wave, wave)
    assert float(louder["mel"]) == pytest.approx(6 * np.log10(2), rel=0.02)


def test_adversaries_agree_with_their_closed_forms() -> None:
    torch.manual_seed(0)
    sizes = DiscriminatorConfig(periods=(2, 3), period_channels=(4, 8), windows=(512,), window_channels=4)
    judges = Discriminators(sizes).requires_grad_(False)
    real, made = torch.randn(2, 4096), torch.randn(2, 4096)
    judged_real, judged_made = judges(real), judges(made)
    assert float(feature_loss(judged_real, judged_real)) == 0
    assert float(feature_loss(judged_real, judged_made)) > 0
    ones = [[torch.ones(2, 3)]] * 3
    assert float(adversarial_loss(ones)) == 0
    perfect = [[torch.cat([torch.ones(2, 3), torch.zeros(2, 3)])]] * 3
    assert float(discriminator_loss(perfect)) == 0
    fooled = [[torch.cat([torch.zeros(2, 3), torch.ones(2, 3)])]] * 3
    assert float(discriminator_loss(fooled)) == 6
