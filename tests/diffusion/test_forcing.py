"""Cross-modal forcing: equation 8, the three phases, and the paper's baselines."""

import pytest
import torch

from unison_core.diffusion.forcing import ForcingConfig, draw_sigmas, forcing_weights
from unison_core.diffusion.progressive import ProgressiveSchedule


def _draw(progress, kind="progressive", **options):
    schedule = ProgressiveSchedule(kind=kind)
    config = ForcingConfig(schedule=schedule, **options)
    return draw_sigmas(config, schedule.at(progress), 4000, torch.Generator().manual_seed(0))


def test_the_noisier_modality_weighs_more():
    w_v, w_a = forcing_weights(torch.tensor([0.9, 0.1, 0.5]), torch.tensor([0.1, 0.9, 0.5]), 0.5)
    assert w_v.tolist() == [1.5, 1.0, 1.0]
    assert w_a.tolist() == [1.0, 1.5, 1.0]


def test_strength_zero_weighs_nothing():
    w_v, w_a = forcing_weights(torch.rand(9), torch.rand(9), 0.0)
    assert (w_v == 1).all()
    assert (w_a == 1).all()


def test_phase_one_ties_the_modalities_and_does_not_reweight():
    draw = _draw(0.29)
    assert torch.equal(draw.video, draw.speech)
    assert not draw.reweight


def test_phase_two_decouples_within_the_bound():
    early, late = _draw(0.35), _draw(0.65)
    for draw in (early, late):
        assert (draw.video - draw.speech).abs().max() <= 0.25 + 1e-6
        assert draw.reweight
    apart = [(d.video != d.speech).float().mean().item() for d in (early, late)]
    assert apart[0] == pytest.approx(0.125, abs=0.03)
    assert apart[1] == pytest.approx(0.875, abs=0.03)


def test_phase_three_is_independent_and_unbounded():
    draw = _draw(0.9)
    assert (draw.video - draw.speech).abs().max() > 0.6
    assert abs(torch.corrcoef(torch.stack([draw.video, draw.speech]))[0, 1]) < 0.06


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_baselines_hold_one_phase_throughout(progress):
    assert torch.equal(_draw(progress, "sync_only").video, _draw(progress, "sync_only").speech)
    assert (_draw(progress, "indep_only").video - _draw(progress, "indep_only").speech).abs().max() > 0.6


def test_the_paper_ties_both_audio_streams_and_untying_is_a_probability():
    assert torch.equal(_draw(0.9).speech, _draw(0.9).sfx)
    untied = _draw(0.9, p_untied_audio=0.4)
    assert (untied.speech != untied.sfx).float().mean().item() == pytest.approx(0.4, abs=0.04)


def test_ratios_must_add_up():
    with pytest.raises(ValueError, match="add up"):
        ProgressiveSchedule(ratios=(0.5, 0.4, 0.3))
