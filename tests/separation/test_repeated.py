"""Transformers that are gone through several times: no pass changes anything at gain 0; weights of fewer passes fit."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.conftest import stirred
from unison_core.separation.config import SeparatorConfig
from unison_core.separation.mel_roformer import build_separator
from unison_core.separation.repeated import GAINS, start_from


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
    with pytest.raises(RuntimeError, match=GAINS):
        start_from(first, thrice.state_dict())


def test_a_pass_costs_a_number_per_channel(tiny_separator_config: SeparatorConfig, wave: Tensor) -> None:
    once, twice = (replace(tiny_separator_config, passes=passes) for passes in (1, 2))
    counts = [sum(p.numel() for p in build_separator(config).parameters()) for config in (once, twice)]
    assert counts[1] - counts[0] == 2 * twice.depth * twice.dim
    model = build_separator(twice)
    model(wave).square().sum().backward()
    assert all(gain.grad is not None and gain.grad.abs().sum() > 0 for gain in gains(model))


def test_no_pass_is_refused(tiny_separator_config: SeparatorConfig) -> None:
    with pytest.raises(ValueError, match="passes=0"):
        replace(tiny_separator_config, passes=0)
