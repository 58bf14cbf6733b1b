"""Semantic-conditioned gating: [g_sp, g_sfx] = sigmoid(MLP([c_s; c_a; t_emb])) (Unison, sec. 3.2).

c_s is the mean of the transcript's features, c_a the mean of the caption's. The time embedding is in because the
paper's Fig. 8 shows gates that change with the timestep. g_sp scales what flows into speech.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison_core.model.audio_layers import zero_


class SemanticGates(nn.Module):
    """Two gates per sample, from what is said, what is seen and heard, and how noisy it still is.

    The three inputs come from different encoders: each is brought to zero mean and unit variance first. The last layer
    starts at zero, so that both gates start at 1/2.
    """

    def __init__(self, transcript_dim: int, caption_dim: int, time_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(transcript_dim + caption_dim + time_dim, hidden_dim), nn.SiLU(), nn.Linear(hidden_dim, 2)
        )
        zero_(self.mlp[2])

    def forward(self, transcript_mean: Tensor, caption_mean: Tensor, time_embedding: Tensor) -> Tensor:
        """Gates `(B, 2)` in (0, 1) for (speech, sfx) from three `(B, .)` vectors."""
        parts = [F.layer_norm(x, x.shape[-1:]) for x in (transcript_mean, caption_mean, time_embedding)]
        return torch.sigmoid(self.mlp(torch.cat(parts, dim=-1)))
