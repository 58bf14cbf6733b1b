"""Transformers that are gone through several times with the same weights: depth that costs time and no weights.

    y_1 = T(x),    y_k = y_{k-1} + g_k (T(y_{k-1}) - y_{k-1})

Sharing weights between neighbouring layers is MobileLLM's (Liu et al. 2024, "immediate block-wise sharing"). The gains
g_k, a number per channel, are 0 at first: weights that were trained for one pass start as the model that they are.
"""

import torch
from bs_roformer.mel_band_roformer import MelBandRoformer, Transformer
from torch import Tensor, nn

GAINS = "gains"


class Repeated(nn.Module):
    """A transformer `(B, N, D)` -> the same, gone through `passes` times; its weights keep their names."""

    def __init__(self, transformer: Transformer, dim: int, passes: int) -> None:
        super().__init__()
        self.layers, self.norm = transformer.layers, transformer.norm
        self.gains = nn.Parameter(torch.zeros(passes - 1, dim))

    def forward(self, x: Tensor, value_residual: None = None) -> tuple[Tensor, None]:
        """As the package calls its transformers; values of earlier ones are not used."""
        x = self._once(x)
        for gain in self.gains:
            x = x + gain * (self._once(x) - x)
        return x, None

    def _once(self, x: Tensor) -> Tensor:
        for attention, feed_forward in self.layers:
            x = feed_forward(attention(x)[0])
        normed: Tensor = self.norm(x)
        return normed


def repeat_transformers(model: MelBandRoformer, dim: int, passes: int) -> None:
    """Make every transformer of `model` be gone through `passes` times; in place, nothing for one."""
    if passes == 1:
        return
    for pair in model.layers:
        for place, transformer in enumerate(pair):
            if transformer is not None:
                pair[place] = Repeated(transformer, dim, passes)


def start_from(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load weights, also those of a model with fewer passes; raises RuntimeError where something else is amiss."""
    whole = dict(state)
    for key, own in model.state_dict().items():
        if key.endswith(f".{GAINS}"):
            given = state.get(key, own[:0])
            whole[key] = torch.cat((given, own[len(given) :]))
    model.load_state_dict(whole)
