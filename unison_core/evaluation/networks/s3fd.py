"""S3FD: where faces are, in one shot at six scales (Zhang et al., ICCV 2017).

centre = prior centre + 0.1 loc prior size,    size = prior size exp(0.2 loc)
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

VGG = (64, 64, "M", 128, 128, "M", 256, 256, 256, "C", 512, 512, 512, "M", 512, 512, 512, "M")
TAPS = (16, 23, 30)
"""Layers of the backbone after which a scale is read, normalised."""
STEPS, SIZES = (4, 8, 16, 32, 64, 128), (16, 32, 64, 128, 256, 512)
MEAN_RGB = (123.0, 117.0, 104.0)
SURE, OVERLAP, KEPT = 0.05, 0.3, 750


class ScaledNorm(nn.Module):
    """Channels brought to length 1, then scaled by a weight each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`, like the input."""
        return self.weight[:, None, None] * x / (x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10)


class S3FD(nn.Module):
    """Face detector; keys are `vgg.*`, `L2Norm{3,4,5}_3`, `extras.*`, `loc.*`, `conf.*`."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in VGG:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=width == "C"))
            else:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        layers += [nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.ReLU(), nn.Conv2d(1024, 1024, 1), nn.ReLU()]
        self.vgg = nn.ModuleList(layers)
        self.L2Norm3_3, self.L2Norm4_3, self.L2Norm5_3 = (ScaledNorm(c) for c in (256, 512, 512))
        self.extras = nn.ModuleList(
            [
                nn.Conv2d(1024, 256, 1),
                nn.Conv2d(256, 512, 3, 2, 1),
                nn.Conv2d(512, 128, 1),
                nn.Conv2d(128, 256, 3, 2, 1),
            ]
        )
        widths = (256, 512, 512, 1024, 512, 256)
        self.loc = nn.ModuleList(nn.Conv2d(c, 4, 3, padding=1) for c in widths)
        self.conf = nn.ModuleList(nn.Conv2d(c, 4 if i == 0 else 2, 3, padding=1) for i, c in enumerate(widths))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes `(B, P, 4)` (left, top, right, bottom, as shares of the picture) and probabilities `(B, P)` of a face.

        Args:
            pictures: `(B, 3, H, W)` RGB, 0 to 255 less `MEAN_RGB`.
        """
        height, width = pictures.shape[-2:]
        boxes, faces = [], []
        for i, x in enumerate(self._scales(pictures)):
            scores = self.conf[i](x)
            if i == 0:  # the smallest scale has three kinds of background, of which the likeliest counts
                scores = torch.cat([scores[:, :3].amax(dim=1, keepdim=True), scores[:, 3:]], dim=1)
            faces.append(scores.softmax(dim=1)[:, 1].flatten(1))
            boxes.append(_decode(self.loc[i](x), STEPS[i], SIZES[i], height, width))
        return torch.cat(boxes, dim=1), torch.cat(faces, dim=1)

    def _scales(self, x: Tensor) -> list[Tensor]:
        found = []
        norms = (self.L2Norm3_3, self.L2Norm4_3, self.L2Norm5_3)
        for (start, end), norm in zip(pairwise((0, *TAPS)), norms, strict=True):
            for layer in self.vgg[start:end]:
                x = layer(x)
            found.append(norm(x))
        for layer in self.vgg[TAPS[-1] :]:
            x = layer(x)
        found.append(x)
        for i, layer in enumerate(self.extras):
            x = relu(layer(x))
            found += [x] if i % 2 else []
        return found


def faces_of(boxes: Tensor, probability: Tensor, surest: float) -> Tensor:
    """Faces `(n, 5)` (box and probability) of one picture, the surest first, without those that overlap a surer one."""
    likely = probability > SURE
    boxes, probability = boxes[likely], probability[likely]
    kept = suppress(boxes, probability, OVERLAP)[:KEPT]
    found = torch.cat([boxes[kept], probability[kept, None]], dim=1)
    found = found[found[:, 4] > surest]
    return found[suppress(found[:, :4], found[:, 4], 0.1)]


def suppress(boxes: Tensor, scores: Tensor, overlap: float) -> Tensor:
    """Numbers of boxes `(n,)` that overlap no surer one by more than `overlap` (intersection over union)."""
    order = scores.argsort(descending=True)
    kept = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(first)
        order = rest[_iou(boxes[first], boxes[rest]) <= overlap]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.long)


def _iou(box: Tensor, others: Tensor) -> Tensor:
    sides = (torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2])).clamp(min=0)
    both = sides.prod(dim=1)
    areas = (others[:, 2:] - others[:, :2]).prod(dim=1) + (box[2:] - box[:2]).prod()
    return both / (areas - both)


def _decode(loc: Tensor, step: int, size: int, height: int, width: int) -> Tensor:
    """Boxes `(B, h w, 4)` of offsets `(B, 4, h, w)` from square priors centred on a grid."""
    rows, columns = loc.shape[-2:]
    y, x = torch.meshgrid(
        (torch.arange(rows, device=loc.device) + 0.5) * step / height,
        (torch.arange(columns, device=loc.device) + 0.5) * step / width,
        indexing="ij",
    )
    prior = torch.tensor([size / width, size / height], device=loc.device)
    offsets = loc.permute(0, 2, 3, 1).flatten(1, 2)  # (B, h w, 4)
    centre = torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.1 * offsets[..., :2] * prior
    half = prior * torch.exp(0.2 * offsets[..., 2:]) / 2
    return torch.cat([centre - half, centre - half + 2 * half], dim=-1)
