"""A part of the picture whose error counts more, as in training on talking heads, where the face is a small part.

What a caption says of a small part is learned late: its share of the loss is its share of the picture, and where the
rest is learned it is what is left. A weight that depends on the place alone leaves the optimum where it is.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Emphasis:
    """A rectangle of the picture.

    Attributes:
        rows, columns: its edges as shares of height and width.
        weight: of its error over that of the rest; 1 is no emphasis.
    """

    rows: tuple[float, float] = (0.0, 1.0)
    columns: tuple[float, float] = (0.0, 1.0)
    weight: float = 1.0

    def __post_init__(self) -> None:
        for name, (low, high) in {"rows": self.rows, "columns": self.columns}.items():
            if not 0 <= low < high <= 1:
                raise ValueError(f"{name}=[{low}, {high}] are no shares of the picture in rising order")
        if self.weight <= 0:
            raise ValueError(f"weight={self.weight} must be positive")

    def weights(self, latents: Tensor) -> Tensor | None:
        """Weights `(H, W)`, mean 1, of the cells of `latents` `(..., H, W)`; None where all are equal."""
        if self.weight == 1:
            return None
        height, width = latents.shape[-2:]
        inside = _between(self.rows, height, latents)[:, None] & _between(self.columns, width, latents)
        factors = 1 + (self.weight - 1) * inside.float()
        return factors / factors.mean()


def _between(edges: tuple[float, float], count: int, like: Tensor) -> Tensor:
    """Which of `count` cells have their centre between two shares."""
    centres = (torch.arange(count, device=like.device) + 0.5) / count
    return (centres >= edges[0]) & (centres < edges[1])
