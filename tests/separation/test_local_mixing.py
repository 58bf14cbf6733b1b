"""Transformers that mix neighbours: at first that changes nothing."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.conftest import stirred
from unison_core.separation.config import SeparatorConfig
from unison_core.separation.local_mixing import MIXING, LocalMixing, start_from
from unison_core.separation.mel_roformer import build_separator


@pytest.fixture
def wave(tiny_separator_config: SeparatorConfig) -> Tensor:
    return 0.1 * torch.randn(2, 1, tiny_separator_config.window, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def test_weights_without_mixing_start_as_they_were(tiny_separator_config: SeparatorConfig, wave: Tensor) -> None:
    plain = stirred(build_separator(replace(tiny_separator_config, band_taps=0, time_taps=0))).eval()
    mixing = build_separator(tiny_separator_config).eval()
    start_from(mixing, plain.state_dict())
    torch.testing.assert_close(mixing(wave), plain(wave))
    weights = [p for name, p in mixing.named_parameters() if f".{MIXING}." in name and name.endswith("weight")]
    assert [len(weight[0, 0]) for weight in weights] == [9, 5] * tiny_separator_config.depth  # along time, along bands
    for weight in weights:
        weight.fill_(0.3)
        assert not torch.allclose(mixing(wave), plain(wave), atol=1e-5)
        weight.zero_()


@torch.no_grad()
def test_neighbours_are_mixed_channel_by_channel_in_their_own_sequence() -> None:
    mixing = LocalMixing(2, 3)
    mixing.weight.copy_(torch.tensor([[[1.0, 0.0, 0.0]], [[0.0, 0.0, 2.0]]]))  # the one before; twice the one behind
    mixing.bias.copy_(torch.tensor([0.0, 10.0]))
    x = torch.tensor([[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], [[7.0, 7.0], [8.0, 8.0], [9.0, 9.0]]])
    made = mixing(x) - x
    assert made[..., 0].tolist() == [[0, 1, 2], [0, 7, 8]]
    assert made[..., 1].tolist() == [[14, 16, 10], [26, 28, 10]]


@torch.no_grad()
def test_weights_of_a_longer_hop_look_as_far(tiny_separator_config: SeparatorConfig) -> None:
    """Every other spectrum of the shorter hop is one of the longer: a model along time says of it what it said."""
    long = replace(tiny_separator_config, hop=128, position_hop=None, time_taps=3)
    short = replace(tiny_separator_config, hop=64, position_hop=128, time_taps=5)
    first, second = stirred(build_separator(long)).eval(), build_separator(short).eval()
    start_from(second, first.state_dict())
    weights = dict(second.named_parameters())
    spread = {name: p for name, p in first.named_parameters() if weights[name].shape != p.shape}
    assert len(spread) == tiny_separator_config.depth
    for name, taps in spread.items():
        assert torch.equal(weights[name][..., ::2], taps)
        assert not weights[name][..., 1::2].any()
    of_long, of_short = (model.layers[0][1].layers[0][0].branch.rotary_embed for model in (first, second))
    torch.testing.assert_close(of_short.angles(9)[::2], of_long.angles(5))
    along_bands = second.layers[0][2].layers[0][0].branch.rotary_embed
    assert torch.equal(along_bands.angles(5), of_long.angles(5))
    with pytest.raises(RuntimeError, match="size mismatch"):
        start_from(first, second.state_dict())


@torch.no_grad()
def test_compilers_are_given_the_same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    mixing, x = stirred(LocalMixing(3, 5)), torch.randn(2, 7, 3)
    made = mixing(x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(mixing(x), made)


@pytest.mark.parametrize("taps", [4, -1])
def test_taps_that_have_no_middle_are_refused(tiny_separator_config: SeparatorConfig, taps: int) -> None:
    with pytest.raises(ValueError, match=f"band_taps={taps}"):
        replace(tiny_separator_config, band_taps=taps)
    with pytest.raises(ValueError, match=f"time_taps={taps}"):
        replace(tiny_separator_config, time_taps=taps)


def test_a_hop_of_nothing_is_refused(tiny_separator_config: SeparatorConfig) -> None:
    with pytest.raises(ValueError, match="position_hop=0"):
        replace(tiny_separator_config, position_hop=0)
