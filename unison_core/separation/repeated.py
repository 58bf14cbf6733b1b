"""Transformers that are gone through several times with the same weights: depth that costs time and no weights.

    y_1 = T_1(x),    y_k = y_{k-1} + g_k (T_k(y_{k-1}) - y_{k-1})

Sharing weights between neighbouring layers is MobileLLM's (Liu et al. 2024, "immediate block-wise sharing"). The gains
g_k, a number per channel, are 0 at first: weights that were trained for one pass start as the model that they are.
T_k differs from T_1 in its local mixing alone, of which every pass has its own (`local_mixing.py`).
"""

from collections.abc import Sequence
from typing import cast

import torch
from bs_roformer.mel_band_roformer import MelBandRoformer, Transformer
from torch import Tensor, nn

from unison_core.separation.local_mixing import LocalMixing

GAINS = "gains"
MIXING = "mixing"
ALONG_TIME, ALONG_BANDS = 1, 2
"""Places of the package's transformers in what it calls a layer."""


class Repeated(nn.Module):
    """A transformer `(B, N, D)` -> the same, gone through `passes` times; its weights keep their names.

    With `taps`, what is between the two products of a feed forward is mixed along the sequence.
    """

    gains: nn.Parameter | None

    def __init__(self, transformer: Transformer, passes: int, taps: int) -> None:
        super().__init__()
        self.layers, self.norm = transformer.layers, transformer.norm
        gains = torch.zeros(passes - 1, len(self.norm.gamma))
        self.register_parameter(GAINS, nn.Parameter(gains) if passes > 1 else None)
        widths = [feed_forward.branch.net[1].out_features for _, feed_forward in self.layers]
        self.mixing = nn.ModuleList(
            nn.ModuleList(LocalMixing(width, taps) if taps else nn.Identity() for width in widths)
            for _ in range(passes)
        )

    def forward(self, x: Tensor, value_residual: None = None) -> tuple[Tensor, None]:
        """As the package calls its transformers; values of earlier ones are not used."""
        first, *others = self.mixing_by_pass()
        x = self._once(x, first)
        for gain, mixing in zip(self.gain_by_pass(), others, strict=True):
            x = x + gain * (self._once(x, mixing) - x)
        return x, None

    def gain_by_pass(self) -> Sequence[Tensor]:
        """Of every pass but the first, `(D,)` each."""
        return () if self.gains is None else self.gains.unbind()

    def mixing_by_pass(self) -> list[list[nn.Module]]:
        """What mixes in each layer, pass by pass: `LocalMixing`, or an identity."""
        return [list(cast(nn.ModuleList, mixing)) for mixing in self.mixing]

    def _once(self, x: Tensor, mixing: list[nn.Module]) -> Tensor:
        for (attention, feed_forward), mix in zip(self.layers, mixing, strict=True):
            x = attention(x)[0]
            norm, inner, gelu, _, outer, _ = feed_forward.branch.net
            x = x + outer(mix(gelu(inner(norm(x)))))
        normed: Tensor = self.norm(x)
        return normed


def repeat_transformers(model: MelBandRoformer, passes: int, time_taps: int, band_taps: int) -> None:
    """Make every transformer of `model` be gone through `passes` times; in place, none that this changes nothing in."""
    for pair in model.layers:
        for place, taps in ((ALONG_TIME, time_taps), (ALONG_BANDS, band_taps)):
            if passes > 1 or taps:
                pair[place] = Repeated(pair[place], passes, taps)


def start_from(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load weights, also those of a model with other passes, without local mixing, or of a longer hop.

    What passes have of their own is left out where the model has fewer. Taps of a longer hop are spread: every other of
    9 holds one of 5, so that they reach as far as they did. Raises RuntimeError where something else is amiss.
    """
    whole = {}
    for key, own in model.state_dict().items():
        given = state.get(key)
        if key.endswith(f".{GAINS}"):
            given = own[:0] if given is None else given[: len(own)]
            given = torch.cat((given, own[len(given) :]))
        elif f".{MIXING}." in key:
            given = own if given is None else _spread(given, own)
        if given is not None:
            whole[key] = given
    left = [key for key in state if key not in whole and not (key.endswith(f".{GAINS}") or f".{MIXING}." in key)]
    model.load_state_dict(whole | {key: state[key] for key in left})


def _spread(given: Tensor, own: Tensor) -> Tensor:
    """Taps `(C, 1, K)` at equal distances among more of them; what cannot be is returned as it is."""
    if given.ndim < 3 or given.shape == own.shape or (own.shape[-1] - 1) % (given.shape[-1] - 1):
        return given
    spread = torch.zeros_like(own)
    spread[..., :: (own.shape[-1] - 1) // (given.shape[-1] - 1)] = given
    return spread
