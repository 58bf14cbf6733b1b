"""What a separator is trained for: little error in the speech stem, in decibels, and nothing of it lost to a listener.

    e = s' - s,    L = d (0.7 E(e) + 0.3 E(Pe) + S) + w D + v R + u P,    E(e) = log10(|e|^2 / |x|^2 + 10^-4.5)
    S = sum |STFT(e)| / sum |STFT(x)|,                    P: first difference
    D = sum_stems sum a |c(STFT(s')) - c(STFT(s))| / (2 sum c(STFT(x))),   c(X) = (|X|^2 / mean |X|^2 + 10^-5)^0.15
    R = mean a |log10 (M_b(s') + f_b) - log10 (M_b(s) + f_b)|,             f_b = 10^-4 (mean_t M_b(x) + 10^-3 mean M(x))
    a = m where the made speech lies under the true one, else 1

x is the mixture. The effects are the mixture without the speech, so their error is -e: one loss serves both stems, and
it says the same of a stem that must be silent: the error's level under the input, down to -45 dB. D, of magnitudes
compressed by a power of 0.3 (Braun and Tashev 2021), is of what is faint beside vowels and drums and yet is heard:
consonants, and what remains of the other stem in pauses.

R is what recognisers read: logarithms of mel band powers M_b(t), in which a consonant 30 dB under the vowels counts as
they do, and phases do not. Its floor lies 40 dB under the mixture's mean in the same band, so that high bands are not
taken for silence; what is fainter is hidden by any leftover, and silence stays silence.

P is what a phone classifier misreads (`phone_classifier.py`).

Words are lost in few mixtures: below R = 0.2 speech reads as the clean stem does, above 0.3 half of its words are gone.
With h above 0 a row counts R^h times in D, R and P, relative to the batch's mean: hard mixtures, where there is
something to gain, more than those that are as good as solved.

Of an error's power the least is left by a mask |S|^2 / (|S|^2 + |N|^2), which takes faint speech away with louder
sounds: nothing made is better there than something wrong. Words are lost so (docs/separation.md). With m above 1, D and
R aim at the m / (1 + m) quantile of what the speech may be, not at its median.
"""

import torch
from torch import Tensor, nn

from unison_core.training.phone_classifier import PhoneClassifier
from unison_core.training.read_bands import ReadBands
from unison_core.training.spectral_loss import magnitude, power, spectrum

ERROR_FLOOR = 10**-4.5
WINDOWS = (256, 1024)
"""Windows of the spectral terms, in samples."""
COMPRESSION = 0.3
FAINTEST = 1e-5
"""Power under the mixture's mean, of a point of the spectrum, below which D sees little."""


class SeparationObjective(nn.Module):
    """Losses of a batch of mixtures.

    Args:
        model: `(B, 1, samples)` -> speech of the same shape.
        detail_weight, reading_weight: w and v; 0 leaves the term out.
        missing_weight: m.
        decibel_weight: d.
        hardness: h.
        rate_hz: of the waves; R's bands depend on it.
        phones, phones_weight: a frozen classifier, and u; 0 leaves the term out.
    """

    def __init__(
        self,
        model: nn.Module,
        detail_weight: float = 0.0,
        *,
        reading_weight: float = 0.0,
        missing_weight: float = 1.0,
        decibel_weight: float = 1.0,
        hardness: float = 0.0,
        rate_hz: int = 16000,
        phones: PhoneClassifier | None = None,
        phones_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.detail_weight, self.reading_weight, self.missing_weight = detail_weight, reading_weight, missing_weight
        self.decibel_weight, self.hardness = decibel_weight, hardness
        self.phones, self.phones_weight = phones, phones_weight
        self.bands = ReadBands(rate_hz)

    def forward(self, speech: Tensor, mix: Tensor) -> dict[str, Tensor]:
        """Scalars by name, `loss` among them, for `(B, samples)`."""
        made = self.model(mix[:, None])[:, 0]
        with torch.autocast(mix.device.type, enabled=False):
            made = made.float()
            error = made - speech
            level, bright = _level(error, mix), _level(error.diff(dim=-1), mix.diff(dim=-1))
            spectral = torch.stack([_spectral(error, mix, window) for window in WINDOWS]).mean()
            losses = {"error_db": 10 * level, "spectral": spectral}
            loss = self.decibel_weight * (0.7 * level + 0.3 * bright + spectral)
            rows = self._heard(made, speech, mix)
            counts = self._counts(rows.get("reading"))
            for name, row in rows.items():
                losses[name] = row.mean()
                loss = loss + getattr(self, f"{name}_weight") * (counts * row).mean()
            return {"loss": loss, **losses}

    def _heard(self, made: Tensor, speech: Tensor, mix: Tensor) -> dict[str, Tensor]:
        """D, R and P of each row, `(B,)`, as far as they have weights."""
        rows = {}
        if self.detail_weight:
            rows["detail"] = torch.stack([self._detail(made, speech, mix, window) for window in WINDOWS]).mean(dim=0)
        if self.reading_weight:
            rows["reading"] = self._reading(made, speech, mix)
        if self.phones is not None and self.phones_weight:
            rows["phones"] = self.phones.misread(made, speech)
        return rows

    def _counts(self, reading: Tensor | None) -> Tensor | float:
        """How much each row counts, `(B,)`, 1 on average."""
        if reading is None or not self.hardness:
            return 1.0
        hard = reading.detach() ** self.hardness
        return hard / hard.mean().clamp(min=1e-8)

    def _distances(self, made: Tensor, true: Tensor) -> Tensor:
        """a |made - true| of what grows with the speech's level."""
        gap = made - true
        return torch.where(gap < 0, -self.missing_weight * gap, gap)

    def _detail(self, made: Tensor, speech: Tensor, mix: Tensor, window: int) -> Tensor:
        """D of each row for one window, both stems' mean."""
        hann = torch.hann_window(window, device=mix.device)
        m, s, x = (spectrum(wave, hann) for wave in (made, speech, mix))
        mean = power(x).mean(dim=(1, 2), keepdim=True).clamp(min=1e-8)

        def compressed(points: Tensor) -> Tensor:
            return (power(points) / mean + FAINTEST) ** (COMPRESSION / 2)

        of_speech = self._distances(compressed(m), compressed(s))
        of_effects = (compressed(x - m) - compressed(x - s)).abs()
        return (of_speech + of_effects).sum(dim=(1, 2)) / (2 * compressed(x).sum(dim=(1, 2)))

    def _reading(self, made: Tensor, speech: Tensor, mix: Tensor) -> Tensor:
        """R of each row, in decades of power."""
        return self._distances(*self.bands.logarithms(made, speech, mix)).mean(dim=(1, 2))


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
