"""The inverse short-time Fourier transform without a look at its result: for CUDA graphs, which forbid one.

    y = sum_t w y_t / sum_t w^2

torch.istft asks the host whether windows cover every sample, and a recording may not wait for the host. Here that is
settled beforehand: windows of a length that the hop divides, two or more of them over every sample.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


def inverse_stft(
    spectrum: Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int,
    window: Tensor,
    normalized: bool = False,
    return_complex: bool = False,
    length: int | None = None,
) -> Tensor:
    """What torch.istft gives of centred, one-sided spectra: `(B, n_fft / 2 + 1, frames)` -> `(B, length)`.

    Raises:
        ValueError: the windows may leave samples uncovered, or the result is to be longer than what they cover.
    """
    covered = n_fft + hop_length * (spectrum.shape[-1] - 1)  # padding at both ends included
    end = covered - n_fft // 2 if length is None else n_fft // 2 + length
    if return_complex or win_length != n_fft or n_fft % hop_length or n_fft < 2 * hop_length or end > covered:
        raise ValueError(f"n_fft={n_fft}, hop={hop_length}, window={win_length}, length={length}: use torch.istft")
    by_frame = torch.view_as_complex(torch.view_as_real(spectrum).transpose(1, 2))  # as torch does: gradients lie alike
    frames = torch.fft.irfft(by_frame, n_fft, norm="ortho" if normalized else "backward") * window
    weights = window.square().expand(1, spectrum.shape[-1], n_fft)
    summed, weight = (
        torch.ops.aten.unfold_backward(x, [len(x), covered], 1, n_fft, hop_length)[:, n_fft // 2 : end]
        for x in (frames, weights)
    )
    return summed / weight


class HostFreeISTFT(TorchFunctionMode):
    """Within this context `torch.istft` is `inverse_stft`, for packages that call it by name."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return (inverse_stft if func is torch.istft else func)(*args, **(kwargs or {}))
