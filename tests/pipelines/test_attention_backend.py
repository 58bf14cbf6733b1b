"""The fastest attention that works is taken, once per shape; where there is no choice PyTorch's stands."""

from contextlib import nullcontext

import pytest
import torch

from unison_core.pipelines import attention_backend as module
from unison_core.pipelines.attention_backend import CUDNN, FLASH, fastest, fastest_attention

SHAPE = (1, 4, 32, 16)


def test_a_cpu_has_no_choice() -> None:
    with fastest_attention(torch.device("cpu"), SHAPE, torch.float32) as name:
        assert name == "PyTorch's choice"


def test_the_fastest_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    measured, entered = [], []

    def measure(*arguments: object) -> dict[str, float]:
        measured.append(arguments)
        return {FLASH: 2.0, CUDNN: 1.0}

    monkeypatch.setattr(module, "available", lambda _: (CUDNN, FLASH))
    monkeypatch.setattr(module, "measure", measure)
    monkeypatch.setattr(module, "backend", lambda name: entered.append(name) or nullcontext())
    monkeypatch.setattr(module, "_chosen", {})
    for _ in range(2):
        with fastest_attention(torch.device("cuda"), SHAPE, torch.bfloat16) as name:
            assert name == CUDNN
    assert len(measured) == 1
    assert entered == [CUDNN, CUDNN]


def test_a_named_backend_still_serves_every_call() -> None:
    """Attention that the first backend cannot compute goes to another: float32 on a CPU, say."""
    q = torch.randn(SHAPE)
    expected = torch.nn.functional.scaled_dot_product_attention(q, q, q)
    for name in (CUDNN, FLASH):
        with module.backend(name):
            torch.testing.assert_close(torch.nn.functional.scaled_dot_product_attention(q, q, q), expected)


def test_without_a_kernel_there_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no attention kernel"):
        fastest({})
