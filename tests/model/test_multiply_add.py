import torch

from unison_core.model.multiply_add import gated_sum, modulate, multiply_add


def test_gradients_follow_the_formula_through_every_broadcast():
    torch.manual_seed(0)
    a, b, c = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 1, 3), (2, 4, 3), (3,)))
    assert torch.autograd.gradcheck(lambda *x: multiply_add(*x, torch.float64), (a, b, c))


def test_bf16_tokens_are_rounded_once():
    torch.manual_seed(0)
    x, update = (torch.randn(2, 5, 8).bfloat16() for _ in range(2))
    gate, shift = (torch.randn(2, 1, 8) for _ in range(2))
    assert torch.equal(gated_sum(x, update, gate), torch.addcmul(x.float(), update.float(), gate).bfloat16())
    assert torch.equal(modulate(x, shift, gate), torch.addcmul(shift, x.float(), 1 + gate).bfloat16())


def test_gradients_have_the_types_of_their_tensors():
    x, gate = torch.ones(1, 300, 2, dtype=torch.bfloat16, requires_grad=True), torch.ones(2, requires_grad=True)
    gated_sum(x, x, gate).sum().backward()
    assert x.grad.dtype == torch.bfloat16
    assert gate.grad.dtype == torch.float32
    assert gate.grad.tolist() == [300.0, 300.0]  # bf16 cannot count to 300 by ones
