"""Mel power as torchaudio's MelSpectrogram computes it (n_fft 1024, window 400, hop 160, 128 HTK bands of height 1)."""

from functools import cache

import torch
from torch import Tensor

RATE_HZ, FFT, WINDOW, HOP, BANDS = 16000, 1024, 400, 160, 128


def mel_power(waves: Tensor) -> Tensor:
    """`(B, 128, frames)` of `(B, samples)` at 16 kHz; frames are centred, ends are reflected."""
    window = torch.hann_window(WINDOW, device=waves.device)
    spectrum = torch.stft(waves, FFT, HOP, WINDOW, window, center=True, pad_mode="reflect", return_complex=True)
    return torch.einsum("bft,fm->bmt", spectrum.abs().square(), _bands().to(waves))


@cache
def _bands() -> Tensor:
    """Triangles `(513, 128)` from 0 to 8 kHz."""
    bins = torch.linspace(0, RATE_HZ / 2, FFT // 2 + 1, dtype=torch.float64)
    top = 2595 * torch.log10(torch.tensor(1 + RATE_HZ / 2 / 700, dtype=torch.float64))
    edges = 700 * (10 ** (torch.linspace(0, float(top), BANDS + 2, dtype=torch.float64) / 2595) - 1)
    rise = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return torch.minimum(rise, fall).clamp(min=0).float()
