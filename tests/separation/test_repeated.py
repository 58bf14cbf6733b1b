"""Transformers that are gone through several times, and mix neighbours: at first neither changes anything."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.conftest import stirred
from unison_core.separation.config import SeparatorConfig
from unison_core.separation.local_mixing import LocalMixing
from unison_core.separation.mel_roformer import build_separator
from unison_core.separation.repeated import GAINS, MIXING, start_from


@pytest.fixture
def wave(tiny_separator_config: SeparatorConfig) -> Tensor:
    return 0.1 * torch.randn(2, 1, tiny_separator_config.window, generator=torch.Generator().manual_seed(3))


def gains(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [p for name, p in model.named_parameters() if name.endswith(GAINS)]


@pytest.mark.parametrize("fewer", [1, 2])
@torch.no_grad()
def test_weights_of_fewer_passes_start_as_they_were(
    tiny_separator_config: SeparatorConfig, wave: Tensor, fewer: int
) -> None:
    first = stirred(build_separator(replace(tiny_separator_config, passes=fewer))).eval()
    thrice = build_separator(replace(tiny_separator_config, passes=3)).eval()
    start_from(thrice, first.state_dict())
    assert torch.equal(thrice(wave), first(wave))
    for gain in gains(thrice):
        gain.fill_(0.5)
    assert not torch.allclose(thrice(wave), first(wave), atol=1e-4)
    start_from(first, thrice.state_dict())  # fewer passes: what the others had of their own is left out


def test_a_pass_costs_a_number_per_channel(tiny_separator_config: SeparatorConfig, wave: Tensor) -> None:
    once, twice = (replace(tiny_separator_config, passes=passes, taps=0, time_taps=0) for passes in (1, 2))
    counts = [sum(p.numel() for p in build_separator(config).parameters()) for config in (once, twice)]
    assert counts[1] - counts[0] == 2 * twice.depth * twice.dim
    model = build_separator(twice)
    model(wave).square().sum().backward()
    assert all(gain.grad is not None and gain.grad.abs().sum() > 0 for gain in gains(model))


def test_no_pass_is_refused(tiny_separator_config: SeparatorConfig) -> None:
    with pytest.raises(ValueError, match="passes=0"):
        replace(tiny_separator_config, passes=0)


@torch.no_grad()
def test_weights_without_mixing_start_as_they_were_in_every_pass(
    tiny_separator_config: SeparatorConfig, wave: Tensor
) -> None:
    plain = stirred(build_separator(replace(tiny_separator_config, passes=2))).eval()
    mixing = build_separator(replace(tiny_separator_config, passes=2, taps=5)).eval()
    start_from(mixing, plain.state_dict())
    torch.testing.assert_close(mixing(wave), plain(wave))
    weights = [p for name, p in mixing.named_parameters() if f".{MIXING}." in name and name.endswith("weight")]
    assert len(weights) == 2 * 2 * tiny_separator_config.depth  # passes, transformers along time and along bands
    assert [len(weight[0, 0]) for weight in weights] == [9, 9, 5, 5]
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
    with pytest.raises(ValueError, match=f"^taps={taps}"):
        replace(tiny_separator_config, taps=taps)
    with pytest.raises(ValueError, match=f"time_taps={taps}"):
        replace(tiny_separator_config, time_taps=taps)


def test_a_hop_of_nothing_is_refused(tiny_separator_config: SeparatorConfig) -> None:
    with pytest.raises(ValueError, match="position_hop=0"):
        replace(tiny_separator_config, position_hop=0)
