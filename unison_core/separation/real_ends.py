"""Masks that leave a spectrum's two ends, 0 Hz and half the rate, real, as they are in spectra of real signals.

An inverse transform to a real signal has no use for imaginary parts there. CPUs pass over them; cuFFT does for up to
two spectra at once and does not for four (measured on an H100: -33 dB of noise's transform), so that a result
depended on the batch.
"""

import torch
from bs_roformer.mel_band_roformer import MelBandRoformer
from einops import rearrange
from torch import Tensor, nn


def keep_ends_real(model: MelBandRoformer) -> None:
    """Make the mask estimators of `model` give no imaginary part at the ends of the spectrum; in place."""
    bins = model.freq_indices // model.audio_channels  # channels take turns within a bin
    ends = (bins == 0) | (bins == model.stft_kwargs["n_fft"] // 2)
    factors = torch.ones(len(ends), 2)
    factors[ends, 1] = 0.0
    for estimator in model.mask_estimators:
        estimator.register_buffer("ends", rearrange(factors, "f c -> (f c)"), persistent=False)
        estimator.register_forward_hook(_real_at_ends)


def _real_at_ends(estimator: nn.Module, _: tuple[Tensor, ...], masks: Tensor) -> Tensor:
    ends: Tensor = estimator.ends  # type: ignore[assignment]
    return masks * ends
