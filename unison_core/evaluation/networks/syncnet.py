"""SyncNet: do the lips of a face track say what is heard (Chung and Zisserman, ACCVW 2016)? LSE-C and LSE-D.

    d(s) = mean over windows of |lips_i - sound_{i+s}|,  |s| <= 15;    LSE-D = min d,    LSE-C = median d - min d

A window is 5 pictures at 25 fps against 20 cepstral frames; shifts beyond the ends meet zeros.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

DIM, SHIFT = 1024, 15
PICTURES, CEPSTRA, CEPSTRA_PER_PICTURE = 5, 20, 4
BATCH = 20


class SyncNet(nn.Module):
    """Embeddings of lips and sound; keys are `netcnnaud.*`, `netfcaud.*`, `netcnnlip.*`, `netfclip.*`."""

    def __init__(self, dim: int = DIM) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_conv(nn.Conv2d, 1, 64, 3, 1, 1), nn.MaxPool2d(1, 1),
            *_conv(nn.Conv2d, 64, 192, 3, 1, 1), nn.MaxPool2d(3, (1, 2)),
            *_conv(nn.Conv2d, 192, 384, 3, 1, 1), *_conv(nn.Conv2d, 384, 256, 3, 1, 1),
            *_conv(nn.Conv2d, 256, 256, 3, 1, 1), nn.MaxPool2d(3, 2),
            *_conv(nn.Conv2d, 256, 512, (5, 4), 1, 0),
        )  # fmt: skip
        self.netcnnlip = nn.Sequential(
            *_conv(nn.Conv3d, 3, 96, (5, 7, 7), (1, 2, 2), 0), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv(nn.Conv3d, 96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1)), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_conv(nn.Conv3d, 256, 256, (1, 3, 3), 1, (0, 1, 1)), *_conv(nn.Conv3d, 256, 256, (1, 3, 3), 1, (0, 1, 1)),
            *_conv(nn.Conv3d, 256, 256, (1, 3, 3), 1, (0, 1, 1)), nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv(nn.Conv3d, 256, 512, (1, 6, 6), 1, 0),
        )  # fmt: skip
        self.netfcaud, self.netfclip = (
            nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, dim)) for _ in range(2)
        )

    def sound(self, cepstra: Tensor) -> Tensor:
        """`(B, D)` of `(B, 1, 13, 20)`."""
        return self.netfcaud(self.netcnnaud(cepstra).flatten(1))

    def lips(self, faces: Tensor) -> Tensor:
        """`(B, D)` of `(B, 3, 5, 224, 224)`, blue first, 0 to 255."""
        return self.netfclip(self.netcnnlip(faces).flatten(1))


@dataclass(frozen=True, kw_only=True)
class LipSync:
    """Result of one face track: distance, confidence, and the pictures by which the sound leads."""

    distance: float
    confidence: float
    offset: int


def embed(network: SyncNet, faces: Tensor, cepstra: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings `(windows, D)` of lips and sound.

    Args:
        faces: `(F, 3, 224, 224)`, blue first, 0 to 255.
        cepstra: `(M, 13)`.
    """
    count = min(len(faces), len(cepstra) // CEPSTRA_PER_PICTURE) - PICTURES
    lips, sounds = [], []
    for start in range(0, count, BATCH):
        rows = range(start, min(start + BATCH, count))
        clips = torch.stack([faces[i : i + PICTURES].transpose(0, 1) for i in rows])
        pieces = [cepstra[CEPSTRA_PER_PICTURE * i : CEPSTRA_PER_PICTURE * i + CEPSTRA].T[None] for i in rows]
        lips.append(network.lips(clips))
        sounds.append(network.sound(torch.stack(pieces)))
    return torch.cat(lips), torch.cat(sounds)


def lip_sync(lips: Tensor, sounds: Tensor, shift: int = SHIFT) -> LipSync:
    """Distances over shifts, and what they say; embeddings are `(windows, D)` each."""
    count = len(lips)
    shifted = pad(sounds, (0, 0, shift, shift)).unfold(0, count, 1)  # (2 shift + 1, D, windows)
    distance = (lips - shifted.permute(0, 2, 1) + 1e-6).norm(dim=-1).mean(dim=1)  # as torch's pairwise_distance
    least, place = distance.min(dim=0)
    return LipSync(distance=float(least), confidence=float(distance.median() - least), offset=int(shift - place))


def _conv(kind: type, channels: int, out: int, size, stride, padding) -> list[nn.Module]:  # type: ignore[no-untyped-def]
    norm = nn.BatchNorm2d if kind is nn.Conv2d else nn.BatchNorm3d
    return [kind(channels, out, size, stride, padding), norm(out), nn.ReLU()]
