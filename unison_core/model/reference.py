"""Reference voice: an encoded recording is prepended to the speech stream (Harmony sec. 3.2).

    [z_r ; z_speech],    sigma(z_r) = 0,    positions -R .. -1

It is a segment of its own: convolutions do not cross into it, no interaction node and no loss sees it, and it is left
behind before the final layer. The shared blocks' attention is all through which it is heard.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unison_core.config import ReferenceConfig
from unison_core.model.rope import rope_angles
from unison_core.model.style_alignment import StyleAlignment


@dataclass(frozen=True, kw_only=True)
class ReferenceSegment:
    """The reference between two audio blocks.

    Attributes:
        tokens: `(B, R, D)`.
        condition: adaLN input `(B, 1, D)`, that of a clean stream without words.
        angles: rotations `(R, d/2, 2)` of its negative positions.
    """

    tokens: Tensor
    condition: Tensor
    angles: Tensor


class ReferenceVoice(nn.Module):
    """What a model has that takes a reference voice.

    Args:
        config: inner width of style alignment.
        latent_channels: of an audio latent. video_channels: of a video latent.
        dim: width of the audio branch.
    """

    def __init__(self, config: ReferenceConfig, latent_channels: int, video_channels: int, dim: int) -> None:
        super().__init__()
        self.style = (
            StyleAlignment(latent_channels, video_channels, config.dim, config.heads)
            if config.style_alignment
            else None
        )
        self.bias = nn.Parameter(torch.zeros(dim))
        """Tells the segment from speech."""

    def forward(self, reference: Tensor, video: Tensor | None) -> Tensor:
        """Reference latents `(B, R, C)` as they are prepended; `video` None (audio alone) aligns nothing."""
        if self.style is None:
            return reference
        return reference + _nothing(self.style) if video is None else self.style(reference, video)

    def unheard(self) -> Tensor:
        """Zero, to be added where a batch has no reference: data-parallel training wants every parameter in use."""
        return _nothing(self)


def _nothing(module: nn.Module) -> Tensor:
    """A zero that depends on every parameter of `module`."""
    return torch.stack([parameter.sum() for parameter in module.parameters()]).sum() * 0


def reference_angles(count: int, head_dim: int, device: torch.device) -> Tensor:
    """Rotations `(count, head_dim / 2, 2)` of the positions -count .. -1."""
    return rope_angles(torch.arange(-count, 0, device=device), head_dim)
