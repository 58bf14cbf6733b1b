"""Windows between a recording's rate and a model's, by cutting or padding their spectra.

    up(down(x)) is x below the model's band limit, exactly;    x_high = x - up(down(x))

A window keeps its length in seconds, so nothing shifts. What lies above the model's band is shared out by how much of
the band's upper octave was speech:  speech_high = g(t) x_high,  g = |s_top|^2 / |x_top|^2.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

FRAME = 512
"""Samples, at the model's rate, over which g is smoothed."""


def resample(wave: Tensor, samples: int) -> Tensor:
    """`(..., n)` -> `(..., samples)`, the same stretch of time."""
    if wave.shape[-1] == samples:
        return wave
    bins = min(wave.shape[-1], samples) // 2  # the bin at the band limit, if there is one, is left out
    spectrum = torch.fft.rfft(wave)[..., :bins]
    spectrum = F.pad(spectrum, (0, samples // 2 + 1 - bins))
    return torch.fft.irfft(spectrum, samples) * (samples / wave.shape[-1])


def restore(speech: Tensor, mix: Tensor, recording: Tensor) -> Tensor:
    """Bring `speech` `(..., W)`, which a model found in `mix` `(..., W)`, to the rate of `recording` `(..., n)`."""
    samples = recording.shape[-1]
    low = resample(speech, samples)
    if samples <= mix.shape[-1]:
        return low
    share = upper_share(speech, mix)
    gain = F.interpolate(share.reshape(1, -1, share.shape[-1]), samples, mode="linear", align_corners=True)
    return low + gain.reshape(recording.shape) * (recording - resample(mix, samples))


def upper_share(speech: Tensor, mix: Tensor) -> Tensor:
    """Share of speech in the power of the upper octave of `(..., W)`, `(..., W // (FRAME // 2) + 1)`, in [0, 1]."""
    powers = []
    for wave in (speech, mix):
        spectrum = torch.fft.rfft(wave)
        spectrum[..., : spectrum.shape[-1] // 2] = 0
        power = torch.fft.irfft(spectrum, wave.shape[-1]).square().reshape(1, -1, wave.shape[-1])
        powers.append(F.avg_pool1d(power, FRAME, FRAME // 2, padding=FRAME // 2))
    share = torch.where(powers[1] > 1e-14, powers[0] / powers[1].clamp(min=1e-14), 0.0).clamp(0, 1)
    return share.reshape(*speech.shape[:-1], -1)
