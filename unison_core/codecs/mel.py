"""Log-mel spectrogram, `log(max(W |STFT(x)|, clip))`, by the conventions of the public codecs (MMAudio).

Reflection by (n_fft - hop) / 2 on both sides and center=False: S samples make exactly S / hop frames. W is Slaney's
filter bank (linear below 1 kHz, logarithmic above, unit area in hertz), as librosa's default.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison_core.config import MelConfig

POWER_FLOOR = 1e-9
"""Added to the squared magnitude before the root, as the public codecs do."""


class LogMel(nn.Module):
    """Waveform `(B, S)` in [-1, 1] -> log-mel `(B, mels, S // hop)`, float32, in `config.log` units.

    Attributes:
        filters: W, `(mels, n_fft // 2 + 1)`.
        floor: the value of digital silence, in every band.
    """

    filters: Tensor
    window: Tensor

    def __init__(self, config: MelConfig, sample_rate_hz: int) -> None:
        super().__init__()
        if config.log not in ("log10", "ln"):
            raise ValueError(f"log={config.log!r} is neither 'log10' nor 'ln'")
        if (config.n_fft - config.hop) % 2:
            raise ValueError(f"n_fft={config.n_fft} minus hop={config.hop} must be even")
        self.config = config
        self.register_buffer("filters", slaney_filters(config, sample_rate_hz), persistent=False)
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)

    @property
    def floor(self) -> float:
        return math.log10(self.config.clip) if self.config.log == "log10" else math.log(self.config.clip)

    def forward(self, wave: Tensor) -> Tensor:
        with torch.autocast(wave.device.type, enabled=False):
            return self._log_mel(wave)

    def _log_mel(self, wave: Tensor) -> Tensor:
        pad = (self.config.n_fft - self.config.hop) // 2
        wave = F.pad(wave.float().clamp(-1, 1)[:, None], (pad, pad), mode="reflect")[:, 0]
        spectrum = torch.stft(
            wave, self.config.n_fft, self.config.hop, window=self.window, center=False, return_complex=True
        )  # (B, n_fft // 2 + 1, frames)
        magnitude = (spectrum.real.square() + spectrum.imag.square() + POWER_FLOOR).sqrt()
        mel = (self.filters @ magnitude).clamp(min=self.config.clip)
        return mel.log10() if self.config.log == "log10" else mel.log()


def slaney_filters(config: MelConfig, sample_rate_hz: int) -> Tensor:
    """Triangular filters `(mels, n_fft // 2 + 1)` with unit area in hertz."""
    edges_mel = torch.linspace(
        _hertz_to_mel(config.fmin), _hertz_to_mel(config.fmax), config.mels + 2, dtype=torch.float64
    )
    edges = _mel_to_hertz(edges_mel)  # (mels + 2,) hertz
    bins = torch.linspace(0, sample_rate_hz / 2, config.n_fft // 2 + 1, dtype=torch.float64)
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = torch.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)).clamp(min=0)
    return (triangles * 2 / (upper - lower)).float()


LINEAR_HERTZ_PER_MEL = 200 / 3
BREAK_HERTZ = 1000.0
BREAK_MEL = BREAK_HERTZ / LINEAR_HERTZ_PER_MEL
LOG_STEP = math.log(6.4) / 27


def _hertz_to_mel(hertz: float) -> float:
    if hertz < BREAK_HERTZ:
        return hertz / LINEAR_HERTZ_PER_MEL
    return BREAK_MEL + math.log(hertz / BREAK_HERTZ) / LOG_STEP


def _mel_to_hertz(mel: Tensor) -> Tensor:
    return torch.where(mel < BREAK_MEL, mel * LINEAR_HERTZ_PER_MEL, BREAK_HERTZ * ((mel - BREAK_MEL) * LOG_STEP).exp())
