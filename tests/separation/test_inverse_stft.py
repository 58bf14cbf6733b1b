"""The inverse transform that a CUDA graph can record: torch's, to the bit, in result and gradient."""

import pytest
import torch

from unison_core.separation.inverse_stft import HostFreeISTFT, inverse_stft


@pytest.mark.parametrize(("n_fft", "hop", "length", "normalized"), [
    (256, 64, 2048, False), (768, 384, 24576, False), (256, 128, None, True), (128, 32, 1000, False),
])  # fmt: skip
def test_it_is_torchs(n_fft: int, hop: int, length: int | None, normalized: bool) -> None:
    window = torch.hann_window(n_fft)
    wave = torch.randn(3, length or 2048, generator=torch.Generator().manual_seed(0))
    spectrum = torch.stft(wave, n_fft, hop, n_fft, window, normalized=normalized, return_complex=True)
    results, gradients = [], []
    for function in (torch.istft, inverse_stft):
        leaf = (spectrum * 1.5).requires_grad_()
        made = function(leaf, n_fft=n_fft, hop_length=hop, win_length=n_fft, window=window, normalized=normalized,
                        return_complex=False, length=length)  # fmt: skip
        made.square().sum().backward()
        results.append(made.detach())
        gradients.append(leaf.grad)
    assert torch.equal(*results)
    assert torch.equal(*gradients)


def test_within_the_context_it_stands_in_for_torchs() -> None:
    spectrum, window = torch.randn(1, 129, 9, dtype=torch.complex64), torch.hann_window(256)
    with HostFreeISTFT(), pytest.raises(ValueError, match=r"use torch\.istft"):
        torch.istft(spectrum, 256, 100, 256, window=window)
    assert torch.istft(spectrum, 256, 100, 256, window=window).isfinite().all()


def test_windows_that_may_leave_gaps_are_refused() -> None:
    spectrum, window = torch.randn(1, 129, 9, dtype=torch.complex64), torch.hann_window(256)
    for options in ({"hop_length": 256}, {"hop_length": 100}, {"hop_length": 64, "length": 5000}):
        with pytest.raises(ValueError, match=r"use torch\.istft"):
            inverse_stft(spectrum, **({"n_fft": 256, "win_length": 256, "window": window} | options))
