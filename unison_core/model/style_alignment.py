"""Global style alignment: the reference voice takes in the whole picture before it is heard (Harmony eq. 7).

    z_r' = z_r + O CrossAttn(Q z_r, K z_v, V z_v)

z_r are the reference's latents, z_v all video latents of the clip as the model sees them. O starts at zero.
"""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from unison_core.model.attention import attention


class StyleAlignment(nn.Module):
    """Residual cross-attention of a reference over a video's latents; the identity at first.

    Args:
        reference_dim: channels of an audio latent.
        video_dim: channels of a video latent.
        dim, heads: inner width.
    """

    def __init__(self, reference_dim: int, video_dim: int, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"heads={heads} must divide dim={dim}")
        self.heads = heads
        self.q = nn.Linear(reference_dim, dim)
        self.k = nn.Linear(video_dim, dim)
        self.v = nn.Linear(video_dim, dim)
        self.o = nn.Linear(dim, reference_dim)
        nn.init.zeros_(self.o.weight)
        nn.init.zeros_(self.o.bias)

    def forward(self, reference: Tensor, video: Tensor) -> Tensor:
        """Reference latents `(B, R, C)` after taking in video latents `(B, C', T, H, W)`."""
        tokens = rearrange(video, "b c t h w -> b (t h w) c").to(self.k.weight.dtype)
        q, k, v = (
            rearrange(x, "b n (h d) -> b h n d", h=self.heads)
            for x in (self.q(reference.to(self.q.weight.dtype)), self.k(tokens), self.v(tokens))
        )
        q, k = (F.rms_norm(x, x.shape[-1:]) for x in (q, k))
        read = rearrange(attention(q, k, v), "b h n d -> b n (h d)")
        return reference + self.o(read).to(reference.dtype)
