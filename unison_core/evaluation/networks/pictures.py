"""Pictures as image encoders take them: resized with antialiasing, scaled to [0, 1], then normalised per channel."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

HALF = (0.5, 0.5, 0.5)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH = 16


def pixels(frames: np.ndarray, size: int, mean: Sequence[float], std: Sequence[float], *, crop: bool = False) -> Tensor:
    """`(F, 3, size, size)` of uint8 RGB `(F, H, W, 3)`.

    Args:
        frames: pictures.
        size: side of the result.
        mean, std: by channel.
        crop: bring the shorter side to `size` and cut the middle out; otherwise the whole is squeezed into the square.
    """
    scaled = np.stack([np.asarray(_resized(Image.fromarray(frame), size, crop)) for frame in frames])
    x = torch.from_numpy(scaled).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def _resized(image: Image.Image, size: int, crop: bool) -> Image.Image:
    if not crop:
        return image.resize((size, size), Image.Resampling.BICUBIC)
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    return image.resize((width, height), Image.Resampling.BICUBIC).crop((left, top, left + size, top + size))
