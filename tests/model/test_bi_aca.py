"""Bi-ACA: gate 0 is the identity, directions are independent, both read the states from before the update."""

import torch

from unison_core.model.bi_aca import BiACA
from unison_core.model.rope import rope_angles


def exchange() -> tuple[BiACA, tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)
    module = BiACA(dim=16, inner_dim=8, heads=2)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    angles = rope_angles(torch.arange(6), 4)
    return module, (torch.randn(3, 6, 16), torch.randn(3, 6, 16)), (angles, angles)


@torch.no_grad()
def test_gate_zero_is_the_identity() -> None:
    module, streams, angles = exchange()
    for x, y in zip(streams, module(streams, torch.zeros(3, 2), angles), strict=True):
        assert torch.equal(x, y)


@torch.no_grad()
def test_fresh_exchange_is_the_identity() -> None:
    _, streams, angles = exchange()
    for x, y in zip(streams, BiACA(16, 8, 2)(streams, torch.ones(3, 2), angles), strict=True):
        assert torch.equal(x, y)


@torch.no_grad()
def test_first_gate_scales_what_flows_into_speech() -> None:
    module, (speech, sfx), angles = exchange()
    into_speech, same = module((speech, sfx), torch.tensor([[1.0, 0.0]]).expand(3, 2), angles)
    assert torch.equal(same, sfx)
    half, _ = module((speech, sfx), torch.tensor([[0.5, 0.0]]).expand(3, 2), angles)
    assert torch.allclose(half - speech, 0.5 * (into_speech - speech), atol=1e-6)


@torch.no_grad()
def test_both_directions_read_the_states_before_the_update() -> None:
    module, streams, angles = exchange()
    both = module(streams, torch.ones(3, 2), angles)
    one_by_one = (
        module(streams, torch.tensor([[1.0, 0.0]]).expand(3, 2), angles)[0],
        module(streams, torch.tensor([[0.0, 1.0]]).expand(3, 2), angles)[1],
    )
    for a, b in zip(both, one_by_one, strict=True):
        assert torch.allclose(a, b, atol=1e-6)
