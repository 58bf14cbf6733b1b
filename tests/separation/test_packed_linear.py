"""oneDNN's linear layers give what torch's plain ones do, and a torch without them computes plainly."""

import pytest
import torch
import torch.nn.functional as F

from unison_core.separation import packed_linear
from unison_core.separation.packed_linear import PackedLinear


@pytest.fixture(params=[True, False], ids=["as this torch is", "without oneDNN"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(packed_linear, "can_pack", lambda: False)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.usefixtures("either_way")
@torch.inference_mode()
def test_products_with_what_follows_them(with_bias: bool) -> None:
    torch.manual_seed(0)
    weight, residual = torch.randn(12, 7), torch.randn(2, 5, 12)
    bias = torch.randn(12) if with_bias else None
    x = torch.randn(5, 2, 7).transpose(0, 1)  # not as it lies in memory
    product = F.linear(x, weight, bias)
    torch.testing.assert_close(PackedLinear(weight, bias)(x), product)
    torch.testing.assert_close(PackedLinear(weight, bias, gelu=True)(x), F.gelu(product))
    torch.testing.assert_close(PackedLinear(weight, bias).added_to(residual, x), residual + product)


@pytest.mark.usefixtures("either_way")
@torch.inference_mode()
def test_what_is_given_is_left_alone() -> None:
    weight, x, residual = torch.randn(3, 4), torch.randn(2, 4), torch.randn(2, 3)
    kept = [t.clone() for t in (weight, x, residual)]
    PackedLinear(weight).added_to(residual, x)
    PackedLinear(weight, gelu=True)(x)
    for t, before in zip((weight, x, residual), kept, strict=True):
        assert torch.equal(t, before)
