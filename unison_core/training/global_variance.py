"""How lively spectra are over time, whatever the moments (global variance; Toda and Tokuda 2007).

    V(m) = 1/2 log(mean_t |C m_(t+1) - C m_t|^2 + e),    L = mean |V(m') - V(m)|,    C: orthonormal cosine transform

Absolute errors reward what is smooth: where it cannot be known when a spectrum flickers, the least error is that it
does not. A voice can be told by its flicker, and this term asks for as much of it as there was.
"""

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor, nn

STILL = 1e-3
"""Mean square of a cepstrum's slope below which it counts as still, in squared units of the spectra."""


class GlobalVariance(nn.Module):
    """Distance of the spreads of cepstral slopes, for spectra of `bands` bands."""

    cosines: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        cosines = dct(np.eye(bands), type=2, norm="ortho", axis=0)
        self.register_buffer("cosines", torch.from_numpy(cosines).float(), persistent=False)

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        """A scalar, from logarithmic spectra `(B, bands, frames)`."""
        with torch.autocast(made.device.type, enabled=False):
            return (self._spread(made.float()) - self._spread(true.float())).abs().mean()

    def _spread(self, spectra: Tensor) -> Tensor:
        return 0.5 * ((self.cosines @ spectra).diff(dim=2).square().mean(dim=2) + STILL).log()
