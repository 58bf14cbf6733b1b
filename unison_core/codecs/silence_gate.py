"""A soft gate that makes true silence of the vocoder's faint noise where the mel spectrogram says that nothing sounds.

A vocoder answers silence with a hiss around -60 dB. The gate's gain per frame is a smooth step in the loudest band,

    u = clamp((max_band log10 mel - CLOSED) / (OPEN - CLOSED), 0, 1),     gain = u^2 (3 - 2u),

held for HOLD frames on both sides, so that no attack or decay is cut, and interpolated linearly to samples. CLOSED is
the level of a sine at about -93 dBFS or white noise at -70 dBFS: nothing that can be heard is touched.
"""

import math

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

CLOSED = -3.3
"""log10 of the loudest mel band, where the gain reaches 0."""
OPEN = -2.9
"""log10 of the loudest mel band, from where the gain is 1."""
HOLD = 2
"""Frames by which an open gate is widened on both sides."""


def silence_gate(mel: Tensor, hop: int, log: str) -> Tensor:
    """Gain `(B, L * hop)` in [0, 1] for a log-mel `(B, mels, L)` in `log` units (`log10` or `ln`)."""
    loudest = mel.float().amax(dim=1) / (1.0 if log == "log10" else math.log(10))
    opened = ((loudest - CLOSED) / (OPEN - CLOSED)).clamp(0, 1)
    gain = opened.square() * (3 - 2 * opened)
    held = F.max_pool1d(rearrange(gain, "b l -> b 1 l"), 2 * HOLD + 1, stride=1, padding=HOLD)
    return rearrange(F.interpolate(held, scale_factor=hop, mode="linear"), "b 1 s -> b s")
