"""Transcript features per audio latent: ZipVoice's text encoder, then upsampling over the speech span.

`average` gives every token floor(T/S) of the span's T latents and the rest to an appended pad token (ZipVoice).
`weighted` divides the span in proportion to the tokens' mean durations, so that a token's place is about right before
any sound is there, and tells each latent where inside its token it lies.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unison_core.config import TranscriptConfig
from unison_core.model.audio_layers import zero_
from unison_core.model.zipformer import Zipformer

PHASE_FEATURES = 4
TYPICAL_TOKEN_S = 0.08
"""About the mean length of a phoneme; brings durations to order 1."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Which token each audio latent takes.

    Attributes:
        token: int64 `(B, N)`; the index S stands for the appended pad token.
        inside: bool `(B, N)`, True within the speech span.
        phase: `(B, N)` place within the token, 0 to 1. length_s: `(B, N)` the token's length in seconds.
    """

    token: Tensor
    inside: Tensor
    phase: Tensor
    length_s: Tensor


class TranscriptEncoder(nn.Module):
    """Phoneme tokens to features per audio latent. `embed.*` and `text_encoder.*` load from ZipVoice strictly.

    `outside` stands where nobody speaks; `null` replaces everything where guidance withholds the transcript.
    """

    def __init__(self, config: TranscriptConfig) -> None:
        super().__init__()
        self.config = config
        self.assign = {"average": assign_average, "weighted": assign_weighted}[config.upsampling]
        self.embed = nn.Embedding(config.vocab, config.dim)
        self.text_encoder = Zipformer(config)
        self.phase = nn.Linear(PHASE_FEATURES, config.out_dim)
        self.outside = nn.Parameter(torch.randn(config.out_dim) * 0.02)
        self.null = nn.Parameter(torch.randn(config.out_dim) * 0.02)
        zero_(self.phase)

    def forward(
        self,
        ids: Tensor,
        mask: Tensor,
        weights: Tensor,
        span_s: Tensor,
        frame_times_s: Tensor,
        dropped: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Features `(B, N, out_dim)` per audio latent, and their mean over tokens `(B, out_dim)`, c_s.

        Args:
            ids: int64 `(B, S)`. mask: bool `(B, S)`, True on tokens; a row without any is silent.
            weights: `(B, S)` mean durations in seconds, 0 for tokens without length (spaces).
            span_s: `(B, 2)` start and end of the speech in seconds.
            frame_times_s: `(N,)` centres of the audio latents in seconds, evenly spaced.
            dropped: bool `(B,)`, True where the transcript is withheld.
        """
        ids, mask, weights = (F.pad(x, (0, 1)) for x in (ids, mask, weights))  # the appended pad token
        tokens = self.text_encoder(self.embed(ids), ~mask)  # (B, S+1, out_dim)
        plan = self.assign(mask, weights.float(), span_s.float(), frame_times_s.float())
        spoken = torch.take_along_dim(tokens, plan.token[..., None], dim=1)  # (B, N, out_dim)
        spoken = spoken + self.phase(phase_features(plan).to(tokens.dtype))
        features = torch.where(plan.inside[..., None], spoken, self.outside.to(tokens.dtype))

        count = mask.sum(dim=1, keepdim=True)
        mean = (tokens * mask[..., None]).sum(dim=1) / count.clamp(min=1)
        mean = torch.where(count > 0, mean, self.outside.to(tokens.dtype))
        if dropped is not None:
            features = torch.where(dropped[:, None, None], self.null.to(tokens.dtype), features)
            mean = torch.where(dropped[:, None], self.null.to(tokens.dtype), mean)
        return features, mean


def assign_average(mask: Tensor, weights: Tensor, span_s: Tensor, times_s: Tensor) -> Assignment:
    """Every token gets floor(T/S) latents of the span, the remainder goes to the pad token (ZipVoice).

    Where a span has fewer latents than tokens, all tokens still share it evenly: latent k takes token floor(k S / T).
    """
    inside = (times_s >= span_s[:, :1]) & (times_s < span_s[:, 1:]) & mask.any(dim=1, keepdim=True)
    total = inside.sum(dim=1, keepdim=True)
    count = mask.sum(dim=1, keepdim=True)
    k = inside.long().cumsum(dim=1) - 1  # place within the span
    share = total // count.clamp(min=1)
    even = k // share.clamp(min=1)
    token = torch.where(share > 0, torch.minimum(even, count), k * count // total.clamp(min=1))
    token = token.clamp(min=0, max=mask.shape[1] - 1)
    latent_s = times_s[1] - times_s[0] if len(times_s) > 1 else times_s.new_zeros(())
    phase = (k % share.clamp(min=1) + 0.5) / share.clamp(min=1)
    return Assignment(token=token, inside=inside, phase=phase, length_s=(share * latent_s).expand_as(phase))


def assign_weighted(mask: Tensor, weights: Tensor, span_s: Tensor, times_s: Tensor) -> Assignment:
    """Each token gets its weight's share of the span; a latent takes the token whose interval holds its centre."""
    ends = (weights * mask).cumsum(dim=1)  # (B, S+1)
    whole = ends[:, -1:]
    start, length = span_s[:, :1], (span_s[:, 1:] - span_s[:, :1]).clamp(min=1e-6)
    place = (times_s - start) / length  # (B, N), 0 to 1 within the span
    inside = (place >= 0) & (place < 1) & (whole > 0)
    at = place.clamp(0, 1) * whole
    last = (ends < whole).sum(dim=1, keepdim=True)  # rounding must not reach past the last token with a length
    token = torch.minimum(torch.searchsorted(ends, at, right=True), last)
    share = torch.take_along_dim(weights * mask, token, dim=1)
    begin = torch.take_along_dim(ends, token, dim=1) - share
    phase = ((at - begin) / share.clamp(min=1e-6)).clamp(0, 1)
    return Assignment(token=token, inside=inside, phase=phase, length_s=share / whole.clamp(min=1e-6) * length)


def phase_features(plan: Assignment) -> Tensor:
    """Place within the token, distance from its edges, its length, and time since its start: `(B, N, 4)` of order 1."""
    length = plan.length_s / TYPICAL_TOKEN_S
    edges = 4 * plan.phase * (1 - plan.phase)
    return torch.stack((2 * plan.phase - 1, 2 * edges - 1, length - 1, plan.phase * length), dim=-1)
