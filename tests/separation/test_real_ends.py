"""What goes into the inverse transform: spectra of real signals, whatever the masks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tests.conftest import stirred
from unison_core.separation.config import SeparatorConfig
from unison_core.separation.mel_roformer import build_separator, fuse, plain_separator


class Inverted(TorchFunctionMode):
    """Keeps what `torch.istft` is given."""

    def __init__(self) -> None:
        super().__init__()
        self.spectra: list[Tensor] = []

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is torch.istft:
            self.spectra.append(args[0])
        return func(*args, **(kwargs or {}))


@pytest.mark.filterwarnings("ignore:.*sdp_kernel")
@pytest.mark.parametrize("channels", [1, 2])
@torch.no_grad()
def test_ends_of_the_spectrum_stay_real(tiny_separator_config: SeparatorConfig, channels: int) -> None:
    config = replace(tiny_separator_config, channels=channels)
    wave = torch.randn(3, channels, config.window, generator=torch.Generator().manual_seed(0))
    plain = stirred(plain_separator(config)).eval()
    kept = Inverted()
    with kept:
        before = plain(wave)
        after = fuse(plain)(wave)
    of_plain, of_ours = kept.spectra
    assert of_plain[:, [0, -1]].imag.abs().max() > 1e-3
    assert of_ours[:, [0, -1]].imag.abs().max() == 0
    torch.testing.assert_close(of_ours[:, 1:-1], of_plain[:, 1:-1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(after, before, atol=1e-6, rtol=1e-4)  # a CPU passes over them


@pytest.mark.gpu
@torch.no_grad()
def test_a_batch_gives_what_its_rows_give(tiny_separator_config: SeparatorConfig) -> None:
    model = stirred(build_separator(tiny_separator_config)).eval().cuda()
    waves = torch.randn(8, 1, tiny_separator_config.window, generator=torch.Generator().manual_seed(0)).cuda()
    alone = torch.cat([model(wave[None]) for wave in waves])
    assert 20 * ((model(waves) - alone).norm() / alone.norm()).log10() < -60
