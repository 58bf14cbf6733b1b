"""What lies next to each other, mixed channel by channel: attention is left what lies further.

    h'_n = h_n + b + sum_k w_k h_{n + k - K // 2},    K taps: a depthwise convolution along a sequence

TF-Locoformer (Saijo et al. 2024) has convolutions in its feed forwards, along time and along frequency; between the two
products of one, a depthwise convolution makes them a separable one and has few weights. They are 0 at first: weights
that were trained without start as the model that they are.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


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
