"""Mel spectrogram -> waveform through the Fourier domain: Vocos (Siuzdak 2023, arXiv 2306.00814).

    h = ConvNeXt blocks(mel),   ln|S| = ln(spread(mel)) + a(h),   arg S = p(h),   wave = ISTFT(S)

Every layer runs at the mel's frame rate and no filter has to be learned that a Fourier transform already is, so that it
trains and runs far faster than a generator of samples. `spread` is not in the paper: it lays each mel band's level over
the band's bins, so that the network starts with formants in place and adds harmonics and phase. Bins that no band
reaches (0 Hz, half the sample rate) stay silent: the mel says nothing of them, nor does a loss of mels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison_core.codecs.mel import slaney_filters
from unison_core.config import MelConfig, VocosConfig

LARGEST_LOG = 6.0
"""Bound of ln|S|: a window of 1024 samples at full scale sums to 512, e^6.2."""


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution along time, norm, two pointwise layers, scaled residual; `(B, C, L)` to itself."""

    def __init__(self, dim: int, hidden: int, kernel: int, scale: float) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1, self.pwconv2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.gamma = nn.Parameter(torch.full((dim,), scale))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.dwconv(x).transpose(1, 2))
        return x + (self.gamma * self.pwconv2(F.gelu(self.pwconv1(h)))).transpose(1, 2)


class Vocos(nn.Module):
    """Log-mel `(B, mels, L)` to waveform `(B, L * hop)` in [-1, 1].

    Args:
        config: sizes.
        mel: what it is given; the ISTFT has the mel's window and hop.
        sample_rate_hz: of mel and wave.
    """

    window: Tensor
    spread: Tensor
    reached: Tensor

    def __init__(self, config: VocosConfig, mel: MelConfig, sample_rate_hz: int) -> None:
        super().__init__()
        self.mel = mel
        self.embed = nn.Conv1d(mel.mels, config.dim, config.kernel, padding=config.kernel // 2)
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)
        self.convnext = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.hidden, config.kernel, 1 / config.blocks) for _ in range(config.blocks)
        )
        self.final_layer_norm = nn.LayerNorm(config.dim, eps=1e-6)
        self.out = nn.Linear(config.dim, mel.n_fft + 2)
        for module in self.modules():
            if isinstance(module, (nn.Conv1d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        with torch.device("cpu"):  # computed, not stored: there also where weights are still to come (meta)
            self.register_buffer("window", torch.hann_window(mel.n_fft), persistent=False)
            self.register_buffer("spread", _spread(mel, sample_rate_hz), persistent=False)
            self.register_buffer("reached", (self.spread > 0).any(dim=0).float(), persistent=False)  # (n_fft // 2 + 1,)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.norm(self.embed(mel).transpose(1, 2)).transpose(1, 2)
        for block in self.convnext:
            x = block(x)
        added, phase = self.out(self.final_layer_norm(x.transpose(1, 2))).float().chunk(2, dim=-1)
        level = 10**mel if self.mel.log == "log10" else mel.exp()
        start = (level.float().transpose(1, 2) @ self.spread).clamp(min=self.mel.clip).log()
        magnitude = (start + added).clamp(max=LARGEST_LOG).exp() * self.reached
        spectrum = torch.polar(magnitude, phase)  # (B, L, n_fft // 2 + 1)
        return self._inverse(spectrum)

    def _inverse(self, spectrum: Tensor) -> Tensor:
        """Overlap-add of windowed frames without the (n_fft - hop) / 2 samples that `LogMel` adds at both ends."""
        size, hop = self.mel.n_fft, self.mel.hop
        count, pad = spectrum.shape[1], (size - hop) // 2
        frames = torch.fft.irfft(spectrum, size, dim=-1) * self.window  # (B, L, n_fft)
        envelope = self.window.square().expand(1, count, -1)
        wave, weight = (self._overlap_add(x)[:, pad : pad + count * hop] for x in (frames, envelope))
        return wave / weight.clamp(min=1e-4)

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """`(B, L, n_fft)` to `(B, (L - 1) * hop + n_fft)`."""
        size, hop = self.mel.n_fft, self.mel.hop
        total = (frames.shape[1] - 1) * hop + size
        return F.fold(frames.transpose(1, 2), (1, total), (1, size), stride=(1, hop)).flatten(1)


def _spread(mel: MelConfig, sample_rate_hz: int) -> Tensor:
    """Mel magnitudes to bins `(mels, n_fft // 2 + 1)`: a bin takes the mean of its bands' mean levels."""
    filters = slaney_filters(mel, sample_rate_hz)
    levels = 1 / filters.sum(dim=1, keepdim=True).clamp(min=1e-12)  # a band's value to its mean magnitude
    shares = filters / filters.sum(dim=0).clamp(min=1e-12)  # bands of a bin add up to 1
    return shares * levels
