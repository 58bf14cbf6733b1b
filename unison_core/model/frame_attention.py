"""Frame-level interaction node: video and audio read each other within a narrow window of time.

    video_i  += O_v Attn(video_i,  {speech_n, sfx_n : n among the A audio latents nearest to frame i})
    stream_n += O_a Attn(stream_n, {tokens of the V latent frames nearest to audio latent n})

Both sides rotate queries and keys by their own time in seconds (RoPE-aligned; Harmony sec. 3.3.1, Unison sec. 3.3), and
both read the states from before the node. Inputs are scaled and shifted by the noise levels of all modalities, so that
the node sees which of them is cleaner. O starts at zero: a new node is the identity.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from unison_core.config import NodeConfig
from unison_core.model.attention import attention
from unison_core.model.multiply_add import modulate
from unison_core.model.precision import linear, rms_norm
from unison_core.model.rope import apply_rope, rope_angles
from unison_core.model.sequence_parallel import SequenceParallel
from unison_core.model.sinusoids import sinusoids
from unison_core.timing import Timing
from unison_core.types import AUDIO_STREAMS, VIDEO

MODULATION_RANK = 32
"""Hidden width of the scale and shift MLP: its inputs are three scalars, seen through `SigmaEmbedding`."""
TIE_S = 1e-9
"""Windows equally near are taken earlier, also where rounding would say otherwise."""


@dataclass(frozen=True, kw_only=True)
class FrameLayout:
    """Who attends to whom in a clip of T latent frames and N audio latents.

    Audio latents that share their window of V frames are one group, so that frames are copied once a window, not once
    an audio latent. There are W = T - V + 1 windows, the w-th of frames w .. w+V-1.

    Attributes:
        video_angles, audio_angles: time rotations `(T, d/2, 2)` and `(N, d/2, 2)`.
        audio_window: `(T, A)` audio latents that each frame reads.
        groups: `(W, M)` audio latents that read each window, padded with any valid index to the largest group.
        slots: `(N,)` place of each audio latent in the flattened groups.
        nearest_frame: `(N,)` latent frame nearest to each audio latent.
        audio_times_s: `(N,)` centres of the audio latents in seconds.
    """

    video_angles: Tensor
    audio_angles: Tensor
    audio_window: Tensor
    groups: Tensor
    slots: Tensor
    nearest_frame: Tensor
    audio_times_s: Tensor

    def to(self, device: torch.device | str) -> "FrameLayout":
        """The same layout on `device`."""
        return FrameLayout(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def frame_layout(timing: Timing, video_latents: int, audio_latents: int, config: NodeConfig) -> FrameLayout:
    """Layout of a clip, once per clip; windows longer than the clip are the whole clip."""
    video_s, audio_s = timing.video_latent_times_s(video_latents), timing.audio_latent_times_s(audio_latents)
    width = min(config.video_window, video_latents)
    window = _nearest_window(audio_s, video_s, width)  # (N,) ascending
    sizes = torch.bincount(window, minlength=video_latents - width + 1)  # (W,)
    first = sizes.cumsum(0) - sizes
    rank = torch.arange(audio_latents) - first[window]
    largest = int(sizes.max())
    start = _nearest_window(video_s, audio_s, min(config.audio_window, audio_latents))
    head_dim = config.dim // config.heads
    aligned = config.rope == "seconds"
    video_at, audio_at = (
        times * config.rope_rate_hz if aligned else torch.arange(len(times)) for times in (video_s, audio_s)
    )
    return FrameLayout(
        video_angles=rope_angles(video_at, head_dim),
        audio_angles=rope_angles(audio_at, head_dim),
        audio_window=start[:, None] + torch.arange(min(config.audio_window, audio_latents)),
        groups=(first[:, None] + torch.arange(largest)).clamp(max=audio_latents - 1),
        slots=window * largest + rank,
        nearest_frame=_nearest_window(audio_s, video_s, 1),
        audio_times_s=audio_s,
    )


def _nearest_window(queries_s: Tensor, times_s: Tensor, width: int) -> Tensor:
    """First index of the `width` ascending `times_s` nearest to each query; the earlier where two are equally near.

    A query prefers window w+1 to window w once time w+width is nearer than time w, past the middle of the two.
    """
    middles = (times_s[: len(times_s) - width] + times_s[width:]) / 2
    return torch.searchsorted(middles + TIE_S, queries_s)


class SigmaEmbedding(nn.Module):
    """Features of a noise level for the nodes: SiLU(Linear(sinusoids(1000 sigma))), shared by all of them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.proj = nn.Linear(dim, dim)

    def forward(self, sigma: Tensor) -> Tensor:
        """`(..., dim)` of sigma `(...)` in [0, 1]; computed in float32, in the type of the weights."""
        with torch.autocast(sigma.device.type, enabled=False):
            features = F.silu(linear(self.proj, sinusoids(1000 * sigma.float(), self.dim)))
        return features.to(self.proj.weight.dtype)


class SigmaModulation(nn.Module):
    """LN(x) * (1 + scale) + shift with scale and shift from noise levels, each in its role; neutral at first."""

    def __init__(self, roles: tuple[str, ...], sigma_dim: int, width: int) -> None:
        super().__init__()
        self.roles = nn.ModuleDict({role: nn.Linear(sigma_dim, MODULATION_RANK, bias=False) for role in roles})
        self.bias = nn.Parameter(torch.zeros(MODULATION_RANK))
        self.out = nn.Linear(MODULATION_RANK, 2 * width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, features: Mapping[str, Tensor]) -> Tensor:
        """`x` `(..., width)` modulated by features `(..., sigma_dim)` that broadcast against it."""
        hidden = self.bias
        for role, layer in self.roles.items():
            hidden = hidden + layer(features[role])
        scale, shift = self.out(F.silu(hidden)).chunk(2, dim=-1)
        return modulate(F.layer_norm(x, x.shape[-1:], eps=1e-6), shift, scale)


class CrossAttention(nn.Module):
    """Projections of one direction; tokens keep any leading dimensions, `(..., D)` to `(..., H, d)`."""

    def __init__(self, query_dim: int, context_dim: int, config: NodeConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.to_q = nn.Linear(query_dim, config.dim, bias=False)
        self.to_k = nn.Linear(context_dim, config.dim, bias=False)
        self.to_v = nn.Linear(context_dim, config.dim, bias=False)
        self.to_out = nn.Linear(config.dim, query_dim, bias=False)
        self.norm_q, self.norm_k = (nn.RMSNorm(config.dim, eps=1e-6) for _ in range(2))
        for layer in (self.to_q, self.to_k, self.to_v):
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(self.to_out.weight)

    def queries(self, x: Tensor, angles: Tensor) -> Tensor:
        """Rotated queries; `angles` broadcasts against `(..., H, d/2, 2)`."""
        q = self.to_q(x)
        return apply_rope(self._split(rms_norm(self.norm_q, q)), angles).to(q.dtype)

    def keys_values(self, x: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
        """Rotated keys, and values."""
        v = self._split(self.to_v(x))
        return apply_rope(self._split(rms_norm(self.norm_k, self.to_k(x))), angles).to(v.dtype), v

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1))


class FrameAttentionNode(nn.Module):
    """One node; with both directions off it has no parameters and changes nothing.

    Args:
        video_dim, audio_dim: widths of the branches.
        config: inner width, windows, directions.
        streams: audio streams that take part.
    """

    def __init__(
        self, video_dim: int, audio_dim: int, config: NodeConfig, streams: tuple[str, ...] = AUDIO_STREAMS
    ) -> None:
        super().__init__()
        if config.dim % config.heads:
            raise ValueError(f"heads={config.heads} must divide dim={config.dim}")
        self.video_window = config.video_window
        self.sequence: SequenceParallel | None = None
        self.audio_to_video = CrossAttention(video_dim, audio_dim, config) if config.audio_to_video else None
        self.video_to_audio = CrossAttention(audio_dim, video_dim, config) if config.video_to_audio else None
        if self.audio_to_video is None and self.video_to_audio is None:
            return
        self.video_modulation = SigmaModulation((VIDEO, *streams), config.sigma_dim, video_dim)
        self.audio_modulation = SigmaModulation(
            ("own", "other", VIDEO) if len(streams) > 1 else ("own", VIDEO), config.sigma_dim, audio_dim
        )
        self.stream_embedding = nn.ParameterDict({s: nn.Parameter(0.02 * torch.randn(audio_dim)) for s in streams})

    def forward(
        self, video: Tensor, audio: Mapping[str, Tensor], layout: FrameLayout, sigma_features: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Both modalities after the node, residual included.

        Args:
            video: tokens by latent frame `(B, T, S, Dv)`.
            audio: tokens by stream, each `(B, N, Da)`.
            layout: of these T and N, on the same device.
            sigma_features: from `SigmaEmbedding`, video `(B, T, F)`, each audio stream `(B, F)`.
        """
        if self.audio_to_video is None and self.video_to_audio is None:
            return video, dict(audio)
        frames = self._video_input(video, sigma_features)
        streams = self._audio_input(audio, layout, sigma_features)
        if self.audio_to_video is not None:
            video = video + _read_audio(self.audio_to_video, frames, streams, layout).to(video.dtype)
        if self.video_to_audio is None:
            return video, dict(audio)
        updates = _read_video(self.video_to_audio, streams, frames, layout, self.video_window, self.sequence)
        return video, {s: x + updates[s].to(x.dtype) for s, x in audio.items()}

    def _video_input(self, video: Tensor, features: Mapping[str, Tensor]) -> Tensor:
        by_frame = {s: f[:, :, None] if s == VIDEO else f[:, None, None] for s, f in features.items()}
        return self.video_modulation(video, by_frame)

    def _audio_input(
        self, audio: Mapping[str, Tensor], layout: FrameLayout, features: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        nearest = features[VIDEO].index_select(1, layout.nearest_frame)  # (B, N, F)
        inputs = {}
        for stream, x in audio.items():
            roles = {VIDEO: nearest, "own": features[stream][:, None]}
            for other in set(audio) - {stream}:
                roles["other"] = features[other][:, None]
            inputs[stream] = self.audio_modulation(x, roles) + self.stream_embedding[stream].to(x.dtype)
        return inputs


def _read_audio(layer: CrossAttention, video: Tensor, audio: Mapping[str, Tensor], layout: FrameLayout) -> Tensor:
    """Update `(B, T, S, Dv)`: every frame reads its window of all streams."""
    batch, frames = video.shape[:2]
    q = layer.queries(video, layout.video_angles[:, None, None])  # (B, T, S, H, d)
    projected = [layer.keys_values(x, layout.audio_angles[:, None]) for x in audio.values()]  # (B, N, H, d) each
    k, v = (
        torch.cat([_gather(x, layout.audio_window) for x in side], dim=2)  # (B, T, streams * A, H, d)
        for side in zip(*projected, strict=True)
    )
    out = attention(*(rearrange(x, "b t l h d -> (b t) h l d") for x in (q, k, v)))
    return layer.to_out(rearrange(out, "(b t) h s d -> b t s (h d)", b=batch, t=frames))


def _read_video(
    layer: CrossAttention,
    audio: Mapping[str, Tensor],
    video: Tensor,
    layout: FrameLayout,
    window: int,
    sequence: SequenceParallel | None = None,
) -> dict[str, Tensor]:
    """Updates `(B, N, Da)` by stream: every audio latent reads the tokens of its window of frames, of all processes."""
    batch, frames = video.shape[:2]
    width = min(window, frames)
    count = frames - width + 1
    queries = [layer.queries(x, layout.audio_angles[:, None]) for x in audio.values()]
    q = torch.cat([_gather(x, layout.groups) for x in queries], dim=2)  # (B, W, streams * M, H, d)
    projected = layer.keys_values(video, layout.video_angles[:, None, None])  # (B, T, S, H, d) each
    if sequence is not None:
        projected = (sequence.gather(projected[0], 2), sequence.gather(projected[1], 2))
    k, v = (
        torch.cat([x[:, j : j + count] for j in range(width)], dim=2)  # (B, W, V * S, H, d)
        for x in projected
    )
    out = attention(*(rearrange(x, "b w l h d -> (b w) h l d") for x in (q, k, v)))
    out = rearrange(out, "(b w) h (s m) d -> s b (w m) (h d)", b=batch, s=len(audio))
    out = layer.to_out(out.index_select(2, layout.slots))  # (streams, B, N, Da)
    return dict(zip(audio, out.unbind(0), strict=True))


def _gather(x: Tensor, index: Tensor) -> Tensor:
    """Rows `(B, *index.shape, ...)` of `x` `(B, N, ...)`; index_select, whose gradient needs no sorting."""
    return x.index_select(1, index.flatten()).unflatten(1, index.shape)
