"""What lies next to each other, mixed channel by channel: attention is left what lies further.

    h'_n = h_n + b + sum_k w_k h_{n + k - K // 2},    K taps: a depthwise convolution along a sequence

TF-Locoformer (Saijo et al. 2024) has convolutions in its feed forwards, along time and along frequency; between the two
products of one, a depthwise convolution makes them a separable one and has few weights. They are 0 at first: weights
that were trained without start as the model that they are.
"""

import torch
import torch.nn.functional as F
from bs_roformer.mel_band_roformer import MelBandRoformer, Transformer
from einops import rearrange
from torch import Tensor, nn

MIXING = "mixing"
ALONG_TIME, ALONG_BANDS = 1, 2
"""Places of the package's transformers in what it calls a layer."""


class LocalMixing(nn.Module):
    """`(B, N, C)` -> the same; `taps` is odd."""

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 1, taps))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        channels, _, taps = self.weight.shape
        if torch.compiler.is_compiling():  # compilers fuse products with what stands around them, convolutions not
            padded = F.pad(x, (0, 0, taps // 2, taps // 2))
            shifted = (padded[:, k : k + x.shape[1]] * self.weight[:, 0, k] for k in range(taps))
            return x + sum(shifted, self.bias)
        mixed = F.conv1d(rearrange(x, "b n c -> b c n"), self.weight, self.bias, padding=taps // 2, groups=channels)
        return x + rearrange(mixed, "b c n -> b n c")


class MixingTransformer(nn.Module):
    """A transformer `(B, N, D)` -> the same whose feed forwards mix neighbours; its weights keep their names."""

    def __init__(self, transformer: Transformer, taps: int) -> None:
        super().__init__()
        self.layers, self.norm = transformer.layers, transformer.norm
        widths = [feed_forward.branch.net[1].out_features for _, feed_forward in self.layers]
        self.mixing = nn.ModuleList(LocalMixing(width, taps) for width in widths)

    def forward(self, x: Tensor, value_residual: None = None) -> tuple[Tensor, None]:
        """As the package calls its transformers; values of earlier ones are not used."""
        for (attention, feed_forward), mix in zip(self.layers, self.mixing, strict=True):
            x = attention(x)[0]
            norm, inner, gelu, _, outer, _ = feed_forward.branch.net
            x = x + outer(mix(gelu(inner(norm(x)))))
        return self.norm(x), None


def mix_neighbours(model: MelBandRoformer, time_taps: int, band_taps: int) -> None:
    """Make the transformers of `model` mix so many neighbours, along time and along bands; 0 leaves them. In place."""
    for pair in model.layers:
        for place, taps in ((ALONG_TIME, time_taps), (ALONG_BANDS, band_taps)):
            if taps:
                pair[place] = MixingTransformer(pair[place], taps)


def start_from(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load weights, also those of a model without local mixing or of a longer hop.

    Taps of a longer hop are spread: every other of 9 holds one of 5, so that they reach as far as they did. Raises
    RuntimeError where something else is amiss.
    """
    whole = dict(state)
    for key, own in model.state_dict().items():
        if f".{MIXING}." in key:
            whole[key] = _spread(state[key], own) if key in state else own
    model.load_state_dict(whole)


def _spread(given: Tensor, own: Tensor) -> Tensor:
    """Taps `(C, 1, K)` at equal distances among more of them; what cannot be is returned as it is."""
    gaps, places = given.shape[-1] - 1, own.shape[-1] - 1
    if given.ndim < 3 or given.shape == own.shape or not gaps or places % gaps:
        return given
    spread = torch.zeros_like(own)
    spread[..., :: places // gaps] = given
    return spread
