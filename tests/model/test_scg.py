"""SCG: gates lie in (0, 1), start at 1/2, and depend on transcript, caption and time."""

import torch

from unison_core.model.scg import SemanticGates


def test_gates_start_at_one_half() -> None:
    gates = SemanticGates(4, 5, 6, 8)(torch.randn(3, 4), torch.randn(3, 5), torch.randn(3, 6))
    assert torch.equal(gates, torch.full((3, 2), 0.5))


@torch.no_grad()
def test_gates_depend_on_every_input() -> None:
    torch.manual_seed(0)
    module = SemanticGates(4, 5, 6, 8)
    torch.nn.init.normal_(module.mlp[2].weight)
    inputs = [torch.randn(3, n) for n in (4, 5, 6)]
    gates = module(*inputs)
    assert ((gates > 0) & (gates < 1)).all()
    for i, x in enumerate(inputs):
        changed = [*inputs[:i], x.flip(-1), *inputs[i + 1 :]]
        assert not torch.allclose(module(*changed), gates)


@torch.no_grad()
def test_gates_do_not_depend_on_the_scale_of_an_encoder() -> None:
    torch.manual_seed(0)
    module = SemanticGates(4, 5, 6, 8)
    torch.nn.init.normal_(module.mlp[2].weight)
    inputs = [torch.randn(3, n) for n in (4, 5, 6)]
    assert torch.allclose(module(inputs[0] * 50, *inputs[1:]), module(*inputs), atol=1e-3)
