"""Causal convolutions over time as 2-D convolutions, with fewer products than taps: Winograd's F(2, 3).

A kernel g of three taps in time gives two frames from four, x_0 and x_1 from d_0 .. d_3, by four 2-D convolutions:

    m_1 = g_0 * (d_0 - d_2)                   m_2 = (g_0 + g_1 + g_2) / 2 * (d_1 + d_2)
    m_3 = (g_0 - g_1 + g_2) / 2 * (d_2 - d_1)     m_4 = g_2 * (d_1 - d_3)
    x_0 = m_1 + m_2 + m_3                     x_1 = m_2 - m_3 - m_4

Six are needed otherwise. Exact in exact arithmetic (Lavin & Gray 2016, arXiv 1509.09308); `Direct` is the plain form.
All activations are `(B, F, H, W, C)`, contiguous: what cuDNN calls NHWC, so that no layer copies for the layout's sake.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HISTORY = 2
"""Frames that a causal kernel of three taps sees before the first."""
LANES = 8
"""Output channels are filled up to a multiple of this: tensor cores take no other count."""


class CausalConv(Protocol):
    """One convolution with its weights prepared: `join(multiply(split(seen)))`, and its bias to be added."""

    bias: Tensor

    def split(self, seen: Tensor) -> tuple[Tensor, ...]:
        """What is convolved, of frames `(B, 2 + F, H, W, C)`, F even."""

    def multiply(self, terms: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Convolve each."""

    def join(self, products: tuple[Tensor, ...]) -> Tensor:
        """Frames `(B, F, H, W, C')`, without the bias."""

    def first(self, frame: Tensor) -> Tensor:
        """The convolution of a clip's first frame `(B, 1, H, W, C)`, before which there is nothing."""


class Direct:
    """One 3-D convolution."""

    def __init__(self, conv: nn.Conv3d, dtype: torch.dtype) -> None:
        weight, self.bias = filled_up(conv, dtype)
        self.weight = weight.to(dtype).contiguous(memory_format=torch.channels_last_3d)
        self.last = _nhwc(weight[:, :, -1], dtype)

    @staticmethod
    def split(seen: Tensor) -> tuple[Tensor, ...]:
        """The frames themselves."""
        return (seen,)

    def multiply(self, terms: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The 3-D convolution."""
        height, width = self.weight.shape[-2:]
        y = F.conv3d(terms[0].permute(0, 4, 1, 2, 3), self.weight, padding=(0, height // 2, width // 2))
        return (y.permute(0, 2, 3, 4, 1).contiguous(),)

    @staticmethod
    def join(products: tuple[Tensor, ...]) -> Tensor:
        """The only product."""
        return products[0]

    def first(self, frame: Tensor) -> Tensor:
        """Only the last tap meets a frame."""
        return conv2d(frame, self.last)


class Winograd:
    """Four 2-D convolutions for two frames."""

    def __init__(self, conv: nn.Conv3d, dtype: torch.dtype) -> None:
        weight, self.bias = filled_up(conv, dtype)
        first, middle, last = weight.unbind(2)
        even, odd = (first + last) / 2, middle / 2
        self.weights = [_nhwc(w, dtype) for w in (first, even + odd, even - odd, last)]

    @staticmethod
    def split(seen: Tensor) -> tuple[Tensor, ...]:
        """Sums and differences of frames, `(B, F / 2, H, W, C)` each."""
        a, b, c, d = seen[:, :-2:2], seen[:, 1:-2:2], seen[:, 2::2], seen[:, 3::2]
        return a - c, b + c, c - b, b - d

    def multiply(self, terms: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The four convolutions."""
        return tuple(conv2d(term, weight) for term, weight in zip(terms, self.weights, strict=True))

    @staticmethod
    def join(products: tuple[Tensor, ...]) -> Tensor:
        """Even and odd frames in turn."""
        m1, m2, m3, m4 = products
        return torch.stack([m1 + m2 + m3, m2 - m3 - m4], dim=2).flatten(1, 2)

    def first(self, frame: Tensor) -> Tensor:
        """Only the last tap meets a frame."""
        return conv2d(frame, self.weights[-1])


def conv2d(frames: Tensor, weight: Tensor, padding: int | None = None) -> Tensor:
    """`(B, F, H, W, C)` -> `(B, F, H', W', C')` by `weight` `(C', C, h, w)`, of the frames' size unless told."""
    x = frames.flatten(0, 1).permute(0, 3, 1, 2)
    y = F.conv2d(x, weight, padding=weight.shape[-1] // 2 if padding is None else padding)
    return y.permute(0, 2, 3, 1).contiguous().unflatten(0, frames.shape[:2])


def doubling(conv: nn.Conv2d, dtype: torch.dtype) -> Tensor:
    """A 3x3 kernel on a picture doubled by repeating pixels, as four 2x2 kernels on the picture: `(4 C', C, 2, 2)`.

    Of the rows that three taps meet, two are the same one: at even rows the last two, at odd rows the first two.
    """

    def halves(w: Tensor, dim: int) -> tuple[Tensor, Tensor]:
        a, b, c = w.unbind(dim)
        return torch.stack([a, b + c], dim), torch.stack([a + b, c], dim)

    kernels = [kernel for rows in halves(conv.weight.float(), 2) for kernel in halves(rows, 3)]
    return _nhwc(torch.cat(kernels), dtype)


def doubled(frames: Tensor, weight: Tensor) -> Tensor:
    """A view `(B, F, H, 2, W, 2, C')` of the doubled and convolved picture; `weight` is `doubling`'s.

    The kernels run over a border of one pixel; even rows start a pixel before the odd ones, and columns alike.
    """
    y = conv2d(frames, weight, padding=1)
    batch, count, height, width, channels = y.shape
    c = channels // 4
    b, f, h, w, _ = y.stride()
    return y.as_strided((batch, count, height - 1, 2, width - 1, 2, c), (b, f, h, h + 2 * c, w, w + c, 1))


def filled_up(conv: nn.Conv3d, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Weight in float32 and bias in `dtype`, with output channels of zeros up to a multiple of `LANES`."""
    missing = -conv.out_channels % LANES
    weight, bias = conv.weight.float(), conv.bias
    assert bias is not None
    return F.pad(weight, (0,) * 8 + (0, missing)), F.pad(bias, (0, missing)).to(dtype)


def _nhwc(weight: Tensor, dtype: torch.dtype) -> Tensor:
    return weight.to(dtype).contiguous(memory_format=torch.channels_last)
