"""Powers of speech in mel bands about as recognisers have them, M_b(t), and the floor f_b under which they see little.

    f_b = 10^-4 (mean_t M_b + 10^-3 mean M)

It lies 40 dB under the mean of the same band, so that high bands are not taken for silence.
"""

import torch
from torch import Tensor, nn

from unison_core.codecs.mel import slaney_filters
from unison_core.config import MelConfig
from unison_core.training.spectral_loss import power, spectrum

WINDOW, BANDS = 512, 40
HOP = WINDOW // 4
"""Samples between frames: 8 ms at 16 kHz."""
FLOOR = 1e-4
"""Power under the mean in a band, below which little is seen."""
EMPTY_BAND = 1e-3
"""Power under the mean of all bands, below which a band holds nothing to read."""


class ReadBands(nn.Module):
    """Waves `(B, samples)` to powers `(B, bands, frames)`."""

    filters: Tensor

    def __init__(self, rate_hz: int) -> None:
        super().__init__()
        mel = MelConfig(n_fft=WINDOW, hop=HOP, mels=BANDS, fmin=0, fmax=rate_hz / 2, log="log10")
        self.register_buffer("filters", slaney_filters(mel, rate_hz), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        return self.filters @ power(spectrum(wave, torch.hann_window(WINDOW, device=wave.device)))

    def logarithms(self, made: Tensor, speech: Tensor, mix: Tensor) -> tuple[Tensor, Tensor]:
        """log10 (M_b(t) + f_b) of `made` and `speech` `(B, samples)`, f_b of `mix`: `(B, bands, frames)` each."""
        m, s = self(made), self(speech)
        floor = floor_of(self(mix))
        return (m + floor).log10(), (s + floor).log10()


def floor_of(powers: Tensor) -> Tensor:
    """f_b `(B, bands, 1)` of powers; above zero for silence too."""
    in_band, over_all = powers.mean(dim=2, keepdim=True), powers.mean(dim=(1, 2), keepdim=True)
    return (FLOOR * (in_band + EMPTY_BAND * over_all)).clamp(min=1e-12)
