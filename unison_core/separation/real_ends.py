"""Masks that leave a spectrum's two ends, 0 Hz and half the rate, real, as they are in spectra of real signals.

An inverse transform to a real signal has no use for imaginary parts there. CPUs pass over them; cuFFT does for up to
two spectra at once and does not for four (measured on an H100: -33 dB of noise's transform), so that a result
depended on the batch.
"""

from functools import wraps

import torch
from bs_roformer.mel_band_roformer import MelBandRoformer
from einops import rearrange
from torch import Tensor


def keep_ends_real(model: MelBandRoformer) -> None:
    """Make the mask estimators of `model` give no imaginary part at the ends of the spectrum; in place."""
    bins = model.freq_indices // model.audio_channels  # channels take turns within a bin
    ends = (bins == 0) | (bins == model.stft_kwargs["n_fft"] // 2)
    factors = torch.ones(len(ends), 2)
    factors[ends, 1] = 0.0
    for estimator in model.mask_estimators:
        estimator.register_buffer("ends", rearrange(factors, "f c -> (f c)"), persistent=False)
        estimator.forward = _real_at_ends(estimator)  # type: ignore[method-assign]


def _real_at_ends(estimator: torch.nn.Module):  # type: ignore[no-untyped-def]
    forward = estimator.forward

    @wraps(forward)
    def masked(x: Tensor) -> Tensor:
        return forward(x) * estimator.ends  # type: ignore[no-any-return, operator]

    return masked
