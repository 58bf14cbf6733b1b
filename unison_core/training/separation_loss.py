"""What a separator is trained for: little error in the speech stem, counted in decibels under the mixture.

    e = s' - s,    L = 0.7 E(e) + 0.3 E(Pe) + S + w D,    E(e) = log10(|e|^2 / |x|^2 + 10^-4.5)
    S = sum |STFT(e)| / sum |STFT(x)|,                    P: first difference
    D = sum_stems sum |c(STFT(s')) - c(STFT(s))| / (2 sum c(STFT(x))),    c(X) = (|X|^2 / mean |X|^2 + 10^-5)^0.15

x is the mixture. The effects are the mixture without the speech, so their error is -e: one loss serves both stems, and
it says the same of a stem that must be silent: the error's level under the input, down to -45 dB. D, of magnitudes
compressed by a power of 0.3 (Braun and Tashev 2021), is of what is faint beside vowels and drums and yet is heard:
consonants, and what remains of the other stem in pauses.
"""

import torch
from torch import Tensor, nn

from unison_core.training.spectral_loss import magnitude, power, spectrum

ERROR_FLOOR = 10**-4.5
WINDOWS = (256, 1024)
"""Windows of the spectral terms, in samples."""
COMPRESSION = 0.3
FAINTEST = 1e-5
"""Power under the mixture's mean, of a point of the spectrum, below which D sees little."""


class SeparationObjective(nn.Module):
    """Losses of a batch of mixtures; `detail_weight` is w."""

    def __init__(self, model: nn.Module, detail_weight: float = 0.0) -> None:
        super().__init__()
        self.model, self.detail_weight = model, detail_weight

    def forward(self, speech: Tensor, mix: Tensor) -> dict[str, Tensor]:
        """Scalars by name, `loss` among them, for `(B, samples)`."""
        made = self.model(mix[:, None])[:, 0]
        with torch.autocast(mix.device.type, enabled=False):
            error = made.float() - speech
            level, bright = _level(error, mix), _level(error.diff(dim=-1), mix.diff(dim=-1))
            spectral = torch.stack([_spectral(error, mix, window) for window in WINDOWS]).mean()
            loss = 0.7 * level + 0.3 * bright + spectral
            losses = {"loss": loss, "error_db": 10 * level, "spectral": spectral}
            if self.detail_weight:
                detail = torch.stack([_detail(error, speech, mix, window) for window in WINDOWS]).mean()
                losses |= {"loss": loss + self.detail_weight * detail, "detail": detail}
            return losses


def _level(error: Tensor, mix: Tensor) -> Tensor:
    """Mean of log10(|e|^2 / |x|^2 + floor); rows of digital silence say nothing."""
    energy = mix.square().sum(dim=-1)
    ratio = error.square().sum(dim=-1) / energy.clamp(min=1e-8)
    return torch.where(energy > 1e-8, (ratio + ERROR_FLOOR).log10(), 0.0).mean()


def _spectral(error: Tensor, mix: Tensor, window: int) -> Tensor:
    """Mean ratio of summed spectral magnitudes."""
    hann = torch.hann_window(window, device=mix.device)
    sums = [magnitude(wave, hann).sum(dim=(1, 2)) for wave in (error, mix)]
    return (sums[0] / sums[1].clamp(min=1e-2)).mean()


def _detail(error: Tensor, speech: Tensor, mix: Tensor, window: int) -> Tensor:
    """D for one window, both stems' mean."""
    hann = torch.hann_window(window, device=mix.device)
    e, s, x = (spectrum(wave, hann) for wave in (error, speech, mix))
    mean = power(x).mean(dim=(1, 2), keepdim=True).clamp(min=1e-8)

    def compressed(points: Tensor) -> Tensor:
        return (power(points) / mean + FAINTEST) ** (COMPRESSION / 2)

    pairs = ((s + e, s), (x - s - e, x - s))  # speech, effects: made and true
    distances = [(compressed(made) - compressed(true)).abs().sum(dim=(1, 2)) for made, true in pairs]
    return (torch.stack(distances).mean(dim=0) / compressed(x).sum(dim=(1, 2))).mean()
