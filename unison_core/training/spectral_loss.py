"""Distances of waveforms in several short-time spectra (Yamamoto et al. 2020; Kumar et al. 2023).

    mel:   sum_w mean |log10 M_w(y) - log10 M_w(x)|                          windows w from 4 to 128 ms
    STFT:  mean_w ||S_w(y) - S_w(x)|| / ||S_w(x)|| + mean |ln S_w(y) - ln S_w(x)|
    variance: mean_w `global_variance` of log10 M_w                                        windows of 32 and 64 ms
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison_core.codecs.mel import slaney_filters
from unison_core.config import MelConfig
from unison_core.training.global_variance import GlobalVariance

MEL_SCALES = ((64, 10), (128, 20), (256, 40), (512, 64), (1024, 80), (2048, 128))
"""(window, bands) pairs of the mel distance, in samples at 16 kHz; hops are a quarter window."""
STFT_WINDOWS = (256, 512, 1024, 2048)
VARIANCE_WINDOWS = (512, 1024)
FLOOR = 1e-5
MAGNITUDE_FLOOR = 1e-4
"""Magnitudes below this are taken for equal: digital silence must not dominate a logarithm."""


class SpectralLoss(nn.Module):
    """Distances between waveforms `(B, S)`; every spectrum is computed in float32."""

    def __init__(self, sample_rate_hz: int) -> None:
        super().__init__()
        for window in {w for w, _ in MEL_SCALES} | set(STFT_WINDOWS):
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)
        for window, bands in MEL_SCALES:
            config = MelConfig(
                n_fft=window, hop=window // 4, mels=bands, fmin=0, fmax=sample_rate_hz / 2, log="log10"
            )
            self.register_buffer(f"filters_{window}", slaney_filters(config, sample_rate_hz), persistent=False)
        sizes = {str(window): count for window, count in MEL_SCALES if window in VARIANCE_WINDOWS}
        self.variance = nn.ModuleDict({name: GlobalVariance(count) for name, count in sizes.items()})

    def forward(self, made: Tensor, real: Tensor) -> dict[str, Tensor]:
        """`mel`, `stft` and `variance` distances, scalars."""
        with torch.autocast(made.device.type, enabled=False):
            both = torch.cat([made.float(), real.float()])
            return {**self._mel(both), "stft": self._stft(both)}

    def _mel(self, both: Tensor) -> dict[str, Tensor]:
        distances, variances = [], []
        for window, _ in MEL_SCALES:
            mel = getattr(self, f"filters_{window}") @ magnitude(both, getattr(self, f"window_{window}"))
            made, real = mel.clamp(min=FLOOR).log10().chunk(2)
            distances.append((made - real).abs().mean())
            if window in VARIANCE_WINDOWS:
                variances.append(self.variance[str(window)](made, real))
        return {"mel": torch.stack(distances).sum(), "variance": torch.stack(variances).mean()}

    def _stft(self, both: Tensor) -> Tensor:
        distances = []
        for window in STFT_WINDOWS:
            made, real = magnitude(both, getattr(self, f"window_{window}")).chunk(2)
            convergence = (made - real).norm() / real.norm().clamp(min=1e-3)
            logs = (made.clamp(min=MAGNITUDE_FLOOR).log() - real.clamp(min=MAGNITUDE_FLOOR).log()).abs().mean()
            distances.append(convergence + logs)
        return torch.stack(distances).mean()


def spectrum(wave: Tensor, window: Tensor) -> Tensor:
    """Complex STFT `(B, window // 2 + 1, frames)` of `(B, S)`, with a hop of a quarter window."""
    size = len(window)
    padded = F.pad(wave[:, None], (size // 2, size // 2), mode="reflect")[:, 0]
    return torch.stft(padded, size, size // 4, window=window, center=False, return_complex=True)


def power(spectrum: Tensor) -> Tensor:
    """|X|^2 of complex values."""
    return spectrum.real.square() + spectrum.imag.square()


def magnitude(wave: Tensor, window: Tensor) -> Tensor:
    """STFT magnitudes `(B, window // 2 + 1, frames)` with a hop of a quarter window."""
    return (power(spectrum(wave, window)) + 1e-9).sqrt()
