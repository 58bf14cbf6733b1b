import torch
from torch import Tensor, nn

from unison_core.training.graphed import GraphedBackward, average_gradients, map_tensors, tensors_of


def test_a_pass_leaves_fresh_gradients_and_detached_outputs() -> None:
    layer = nn.Linear(3, 1)
    x = torch.randn(4, 3)

    def losses(inputs: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        y = layer(inputs["x"])
        return y.sum(), {"y": y}

    backward = GraphedBackward(losses, layer.parameters())
    backward({"x": x})
    outputs = backward({"x": x})  # gradients do not add up
    assert not outputs["y"].requires_grad
    torch.testing.assert_close(layer.weight.grad, x.sum(0, keepdim=True))


def test_one_process_averages_nothing() -> None:
    layer = nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    before = layer.weight.grad.clone()
    average_gradients(layer.parameters())
    assert torch.equal(layer.weight.grad, before)


def test_structures_are_mapped_in_order() -> None:
    a, b = torch.zeros(2), torch.ones(3)
    doubled = map_tensors({"a": a, "nested": {"b": b}}, lambda x: 2 * x)
    assert torch.equal(doubled["nested"]["b"], 2 * b)
    assert [x is y for x, y in zip(tensors_of({"a": a, "nested": {"b": b}}), (a, b), strict=True)] == [True, True]
