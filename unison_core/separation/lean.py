"""A separator for inference in float32 on a CPU: the same products, fewer passes over memory.

Windows go through side by side, each in a thread of its own as far as there are cores: one window's operations are too
small to be shared out well, and take a fifth more time on two cores. A mel band is a stretch of neighbouring bins, so
that bands are slices of a spectrum: nothing is gathered before the transformers nor scattered after them. Weights of
what is computed otherwise than in the package are copied with scales folded in; the model that they are of stays as it
is, and its training too.
"""

from concurrent.futures import ThreadPoolExecutor

import torch
from bs_roformer.mel_band_roformer import BandSplit, MelBandRoformer
from einops import rearrange, repeat
from torch import Tensor, nn

from unison_core.separation.band_level import LevelBandSplit, relative_level
from unison_core.separation.lean_transformer import LeanTransformer, fold


class LeanSeparator(nn.Module):
    """Computes `(B, channels, samples)` -> the same as `model` does, with its weights as they are now."""

    def __init__(self, model: MelBandRoformer) -> None:
        super().__init__()
        self.bands = _slices(model)
        self.split = LeanBandSplit(model.band_split, self.bands)
        self.layers = [[LeanTransformer(part) for part in pair if part is not None] for pair in model.layers]
        (estimator,) = model.mask_estimators
        self.estimators = estimator.to_freqs
        self.shares = _shares(model)
        self.stft = model.stft_kwargs | {"window": model.stft_window_fn()}

    def forward(self, mix: Tensor) -> Tensor:
        """Any number of windows."""
        threads, inference = torch.get_num_threads(), torch.is_inference_mode_enabled()
        workers = min(threads, len(mix))
        if workers < 2:
            return torch.stack([self._window(window) for window in mix])

        def compute(window: Tensor) -> Tensor:
            with torch.inference_mode(inference):  # every thread has a mode of its own, and a number of threads
                return self._window(window)

        with ThreadPoolExecutor(workers, "windows", torch.set_num_threads, (threads // workers,)) as pool:
            return torch.stack(list(pool.map(compute, mix)))

    def _window(self, mix: Tensor) -> Tensor:
        spectrum = torch.stft(mix, **self.stft, return_complex=True)  # (channels, F, T)
        parts = rearrange(torch.view_as_real(spectrum), "s f t c -> t (f s c)").contiguous()
        x = self.split(parts)  # (bands, T, D): what lies together is read together, a stretch of each band along bands
        for along_time, along_bands in self.layers:
            x = along_bands(along_time(x).transpose(0, 1)).transpose(0, 1)
        mask = torch.zeros_like(parts)
        for tokens, estimate, band in zip(x, self.estimators, self.bands, strict=True):
            mask[:, band] += estimate(tokens)
        mask = rearrange(mask * self.shares, "t (f s c) -> s f t c", s=len(mix), c=2)
        return torch.istft(spectrum * torch.view_as_complex(mask), **self.stft, length=mix.shape[-1])


class LeanBandSplit:
    """`(T, F)` real and imaginary parts -> tokens `(bands, T, D)`; lengths of all bands come from one product."""

    def __init__(self, split: BandSplit, bands: list[slice]) -> None:
        self.bands = bands
        self.weights = [fold(norm, linear.weight).t() for norm, linear in split.to_features]
        self.bias = torch.stack([linear.bias.detach()[None] for _, linear in split.to_features])
        self.belongs = torch.zeros(len(bands), bands[-1].stop)
        for row, band in zip(self.belongs, bands, strict=True):
            row[band] = 1.0
        self.to_level = split.to_level.detach()[:, None] if isinstance(split, LevelBandSplit) else None

    def __call__(self, x: Tensor) -> Tensor:
        """Spectra of one window."""
        energy = self.belongs @ x.square().t()  # (bands, T)
        tokens = x.new_empty(len(self.bands), len(x), self.bias.shape[-1])
        for band, weight, out in zip(self.bands, self.weights, tokens, strict=True):
            torch.mm(x[:, band], weight, out=out)
        tokens.div_(energy.sqrt().clamp_(min=1e-12)[..., None]).add_(self.bias)
        if self.to_level is None:
            return tokens
        level = relative_level((energy / self.belongs.sum(dim=1, keepdim=True))[None])[0]
        return tokens.addcmul_(level[..., None], self.to_level)


def _slices(model: MelBandRoformer) -> list[slice]:
    """Where bands lie among a spectrum's real and imaginary parts, `(F channels 2)`."""
    parts = 2 * model.audio_channels
    found = [band.nonzero().flatten().tolist() for band in model.freqs_per_band]
    return [slice(parts * bins[0], parts * (bins[-1] + 1)) for bins in found]


def _shares(model: MelBandRoformer) -> Tensor:
    """Factors `(F channels 2)` that average masks where bands overlap, and leave the ends real (`real_ends.py`)."""
    shares = repeat(1.0 / model.num_bands_per_freq, "f -> f s c", s=model.audio_channels, c=2).clone()
    shares[[0, -1], :, 1] = 0.0
    if model.zero_dc:
        shares[0] = 0.0
    return shares.flatten()
