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


def repeat_transformers(model: MelBandRoformer, passes: int, taps: int) -> None:
    """Make every transformer of `model` be gone through `passes` times; in place, nothing for one without mixing."""
    if passes == 1 and not taps:
        return
    for pair in model.layers:
        for place, transformer in enumerate(pair):
            if transformer is not None:
                pair[place] = Repeated(transformer, passes, taps)


def start_from(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load weights, also those of a model with fewer passes or without local mixing.

    Raises RuntimeError where something else is amiss.
    """
    whole = dict(state)
    for key, own in model.state_dict().items():
        if key.endswith(f".{GAINS}"):
            given = state.get(key, own[:0])
            whole[key] = torch.cat((given, own[len(given) :]))
        elif f".{MIXING}." in key:
            whole.setdefault(key, own)
    model.load_state_dict(whole)
