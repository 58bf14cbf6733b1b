"""The head of aesthetic-predictor-v2-5: linear layers 1152-1024-128-64-16-1 on a picture's normalised SigLIP embedding.

score = head(e / |e|),    without activations between the layers; about 1 to 10, and 5.5 is good
"""

from torch import Tensor, nn
from torch.nn.functional import normalize

WIDTHS = (1024, 128, 64, 16, 1)
DROPOUT = (0.5, 0.5, 0.5, 0.2)


class AestheticHead(nn.Module):
    """Scores embeddings; keys are `scoring_head.{0,2,4,6,8}.{weight,bias}`."""

    def __init__(self, dim: int = 1152) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip((dim, *WIDTHS), WIDTHS, strict=False)):
            layers.append(nn.Linear(before, after))
            layers += [nn.Dropout(DROPOUT[i])] if i < len(DROPOUT) else []  # keeps the numbers of the public keys
        self.scoring_head = nn.Sequential(*layers)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Scores `(B,)` of pooled embeddings `(B, D)`."""
        return self.scoring_head(normalize(embeddings, dim=-1))[:, 0]
