"""The audio branch: MMAudio's multimodal transformer over a speech and an effects stream (Unison, sec. 3.2).

Per block: gated exchange between the streams (Bi-ACA, SCG), a learned bias per stream, then one shared block over
their concatenation with identical RoPE positions (eq. 4, 5). Work is split by cost: `encode` runs once per clip;
`embed`, `block` and `head` run once per step, so that other modules may act between blocks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from unison_core.config import AudioBranchConfig
from unison_core.model.audio_blocks import FusedBlock, JointBlock
from unison_core.model.audio_layers import ChannelLastConv1d, FinalLayer, GatedMLP, Segments, TimeEmbedding, zero_
from unison_core.model.bi_aca import BiACA
from unison_core.model.reference import ReferenceSegment, reference_angles
from unison_core.model.rope import rope_angles
from unison_core.model.scg import SemanticGates
from unison_core.types import AUDIO_STREAMS, MIX, SFX

SYNC_RATE_HZ, SYNC_WINDOW, SYNC_HOP = 25, 16, 8
"""Synchformer reads windows of 16 frames, 8 frames apart, and gives 8 features for each (MMAudio)."""


@dataclass(frozen=True, kw_only=True)
class AudioContext:
    """What the branch needs to know of a clip's conditions, whatever the noise.

    Attributes:
        text: caption tokens `(B, L, D)`. clip: null CLIP tokens `(B, V, D)`, or None.
        pooled: summary of caption and CLIP `(B, 1, D)`. sync: null sync features `(1, N, D)`, or None.
        transcript_input, transcript_condition: `(B, N, D)`, for the streams that speak.
        transcript_mean `(B, transcript_dim)`, caption_mean `(B, text_dim)`: inputs of the gates.
    """

    text: Tensor
    clip: Tensor | None
    pooled: Tensor
    sync: Tensor | None
    transcript_input: Tensor
    transcript_condition: Tensor
    transcript_mean: Tensor
    caption_mean: Tensor


@dataclass(frozen=True, kw_only=True)
class AudioState:
    """The branch between two blocks.

    Attributes:
        streams: tokens by stream `(B, N, D)`. conditions: adaLN input by stream `(B, N or 1, D)`.
        finals: the final layer's adaLN input by stream `(B, 1, D)`.
        text, clip: condition tokens, which joint blocks update. shared_condition: their adaLN input `(B, 1, D)`.
        time: mean time embedding of the streams `(B, D)`.
        angles: rotations of one stream `(N, d/2, 2)`; cross_angles: the same at Bi-ACA's head width.
        gates: `(B, 2)` per block passed so far, for plotting.
        reference: a voice before the speech stream, or None.
    """

    streams: Mapping[str, Tensor]
    conditions: Mapping[str, Tensor]
    finals: Mapping[str, Tensor]
    text: Tensor
    clip: Tensor | None
    shared_condition: Tensor
    time: Tensor
    angles: Tensor
    cross_angles: Tensor
    clip_angles: Tensor | None
    context: AudioContext
    gates: tuple[Tensor, ...] = ()
    reference: ReferenceSegment | None = None


class StreamCoupling(nn.Module):
    """What a block does before the shared weights: gated exchange between the streams, then a bias per stream."""

    def __init__(self, config: AudioBranchConfig, transcript_dim: int) -> None:
        super().__init__()
        inner_dim = config.bi_aca_dim or config.dim
        self.bi_aca = BiACA(config.dim, inner_dim, config.heads) if config.bi_aca else None
        self.scg = SemanticGates(transcript_dim, config.text_dim, config.dim, config.scg_dim) if config.scg else None
        self.bias = nn.Parameter(torch.zeros(len(AUDIO_STREAMS), config.dim))

    def forward(
        self, streams: Segments, angles: Tensor, transcript_mean: Tensor, caption_mean: Tensor, time: Tensor
    ) -> tuple[Segments, Tensor]:
        """Streams `(B, N, D)` after the exchange, and the gates `(B, 2)`, which are 1 where SCG is off (eq. 6)."""
        if self.scg is None:
            gates = torch.ones(len(time), len(AUDIO_STREAMS), device=time.device, dtype=time.dtype)
        else:
            gates = self.scg(transcript_mean, caption_mean, time)
        if self.bi_aca is not None:
            streams = self.bi_aca(streams, gates, (angles, angles))
        return tuple(x + b.to(x.dtype) for x, b in zip(streams, self.bias, strict=True)), gates


class AudioBranch(nn.Module):
    """MMAudio (v2) with two latent streams; parameter names are the public ones where those exist.

    Args:
        config: sizes and ablations.
        transcript_dim: width of the transcript features.
        latent_rate_hz: audio latents per second; sets the length of the null sync sequence.
    """

    def __init__(self, config: AudioBranchConfig, transcript_dim: int, latent_rate_hz: float = 44100 / 1024) -> None:
        super().__init__()
        self.config, self.latent_rate_hz = config, latent_rate_hz
        self.stream_names = AUDIO_STREAMS if config.dual_stream else (MIX,)
        dim, width = config.dim, config.mlp_ratio * config.dim

        def conv_input(in_dim: int, kernel_size: int) -> nn.Sequential:
            conv = ChannelLastConv1d(in_dim, dim, kernel_size=7)
            return nn.Sequential(conv, nn.SiLU(), GatedMLP(dim, width, kernel_size))

        self.audio_input_proj = conv_input(config.latent_channels, kernel_size=7)
        self.text_input_proj = nn.Sequential(nn.Linear(config.text_dim, dim), nn.SiLU(), GatedMLP(dim, width))
        self.text_cond_proj = nn.Linear(dim, dim)
        self.global_cond_mlp = GatedMLP(dim, width)
        if config.clip_dim:
            self.clip_input_proj = nn.Sequential(
                nn.Linear(config.clip_dim, dim), nn.SiLU(), GatedMLP(dim, width, kernel_size=3)
            )
            self.clip_cond_proj = nn.Linear(dim, dim)
            self.empty_clip_feat = nn.Parameter(torch.zeros(1, config.clip_dim))
        if config.sync_dim:
            self.sync_input_proj = conv_input(config.sync_dim, kernel_size=3)
            self.sync_pos_emb = nn.Parameter(torch.zeros(1, 1, SYNC_HOP, config.sync_dim))
            self.empty_sync_feat = nn.Parameter(torch.zeros(1, config.sync_dim))
        self.transcript_proj = nn.Sequential(
            nn.Linear(transcript_dim, dim), nn.SiLU(), GatedMLP(dim, 1.5 * dim, kernel_size=3)
        )
        self.transcript_to_input = nn.Linear(dim, dim)
        self.transcript_to_condition = nn.Linear(dim, dim)

        joint = config.joint_blocks
        self.joint_blocks = nn.ModuleList(
            JointBlock(
                dim, config.heads, config.mlp_ratio, bool(config.clip_dim), i == joint - 1, config.condition_copies
            )
            for i in range(joint)
        )
        self.fused_blocks = nn.ModuleList(
            FusedBlock(dim, config.heads, config.mlp_ratio) for _ in range(config.fused_blocks)
        )
        couplings = config.blocks if config.dual_stream else 0
        self.couplings = nn.ModuleList(StreamCoupling(config, transcript_dim) for _ in range(couplings))
        self.final_layer = FinalLayer(dim, config.latent_channels)
        self.apply(_xavier)
        self.t_embed = TimeEmbedding(dim, config.time_freq_dim, config.time_freq_scale)
        zero_(self.transcript_to_input)
        zero_(self.transcript_to_condition)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, in which inputs are taken."""
        return self.transcript_to_input.weight.dtype

    def encode(
        self, caption: Tensor, caption_mean: Tensor, transcript: Tensor, transcript_mean: Tensor
    ) -> AudioContext:
        """Prepare a clip's conditions, once.

        Args:
            caption: features `(B, L, text_dim)`, pads zero. caption_mean: `(B, text_dim)` over real tokens.
            transcript: features `(B, N, transcript_dim)`, one per audio latent. transcript_mean: `(B, transcript_dim)`.
        """
        batch, length = transcript.shape[:2]
        text = self.text_input_proj(caption.to(self.dtype))  # (B, L, D)
        pooled = self.text_cond_proj(text.mean(dim=1))
        clip = None
        if self.config.clip_dim:
            null = repeat(self.empty_clip_feat, "1 c -> 1 n c", n=self.config.clip_tokens)
            clip = repeat(self.clip_input_proj(null), "1 n d -> b n d", b=batch)
            pooled = pooled + self.clip_cond_proj(clip.mean(dim=1))
        spoken = self.transcript_proj(transcript)  # (B, N, D)
        return AudioContext(
            text=text,
            clip=clip,
            pooled=self.global_cond_mlp(pooled)[:, None],
            sync=self._null_sync(length) if self.config.sync_dim else None,
            transcript_input=self.transcript_to_input(spoken),
            transcript_condition=self.transcript_to_condition(spoken),
            transcript_mean=transcript_mean,
            caption_mean=caption_mean.to(self.dtype),
        )

    def embed(self, latents: Mapping[str, Tensor], sigmas: Mapping[str, Tensor], context: AudioContext) -> AudioState:
        """Tokens and conditioning of noisy latents `(B, N, C)` at noise levels `(B,)`, by stream."""
        streams, conditions, finals, times = {}, {}, {}, []
        for name in self.stream_names:
            x = self.audio_input_proj(latents[name].to(self.dtype))  # (B, N, D)
            time = self.t_embed(1 - sigmas[name].float())  # (B, D)
            final = time[:, None] + context.pooled
            condition = final if context.sync is None else final + context.sync
            if name != SFX:
                x = x + context.transcript_input
                condition = condition + context.transcript_condition
            streams[name], conditions[name], finals[name] = x, condition, final
            times.append(time)
        time = torch.stack(times).mean(dim=0)

        config, length, device = self.config, x.shape[1], x.device
        positions = torch.arange(length, device=device)
        clip_angles = None
        if config.clip_dim:
            clip_positions = torch.arange(config.clip_tokens, device=device) * (length / config.clip_tokens)
            clip_angles = rope_angles(clip_positions, config.dim // config.heads)
        return AudioState(
            streams=streams,
            conditions=conditions,
            finals=finals,
            text=context.text,
            clip=context.clip,
            shared_condition=time[:, None] + context.pooled,
            time=time,
            angles=rope_angles(positions, config.dim // config.heads),
            cross_angles=rope_angles(positions, (config.bi_aca_dim or config.dim) // config.heads),
            clip_angles=clip_angles,
            context=context,
        )

    def prepend(self, state: AudioState, reference: Tensor, bias: Tensor) -> AudioState:
        """The state with clean latents `(B, R, C)` of a voice before the speech stream; `bias` `(D,)` marks them."""
        tokens = self.audio_input_proj(reference.to(bias.dtype))
        clean = self.t_embed(torch.ones(len(tokens), device=tokens.device))
        angles = reference_angles(tokens.shape[1], self.config.dim // self.config.heads, tokens.device)
        condition = clean[:, None] + state.context.pooled
        return replace(state, reference=ReferenceSegment(tokens=tokens + bias, condition=condition, angles=angles))

    def block(self, j: int, state: AudioState) -> AudioState:
        """Block j of `config.blocks`: exchange between the streams, then the shared block over both."""
        streams: Segments = tuple(state.streams[name] for name in self.stream_names)
        conditions: Segments = tuple(state.conditions[name] for name in self.stream_names)
        gates, context = state.gates, state.context
        if self.couplings:
            streams, gate = self.couplings[j](
                streams, state.cross_angles, context.transcript_mean, context.caption_mean, state.time
            )
            gates = (*gates, gate)
        angles = (state.angles,) * len(streams)  # identical positions in every stream
        voice = state.reference
        if voice is not None:
            streams, conditions = (voice.tokens, *streams), (voice.condition, *conditions)
            angles = (voice.angles, *angles)
        text, clip = state.text, state.clip
        if j < self.config.joint_blocks:
            streams, text, clip = self.joint_blocks[j](
                streams, conditions, angles, text, clip, state.shared_condition, state.clip_angles
            )
        else:
            streams = self.fused_blocks[j - self.config.joint_blocks](streams, conditions, angles)
        if voice is not None:
            voice, streams = replace(voice, tokens=streams[0]), streams[1:]
        named = dict(zip(self.stream_names, streams, strict=True))
        return replace(state, streams=named, text=text, clip=clip, gates=gates, reference=voice)

    def head(self, state: AudioState) -> dict[str, Tensor]:
        """Velocity v = eps - x0 `(B, N, C)` by stream. The layer itself predicts MMAudio's x0 - eps."""
        return {name: -self.final_layer(x, state.finals[name]) for name, x in state.streams.items()}

    def forward(
        self, latents: Mapping[str, Tensor], sigmas: Mapping[str, Tensor], context: AudioContext
    ) -> dict[str, Tensor]:
        """Velocity by stream of the branch alone, without a video at its side."""
        state = self.embed(latents, sigmas, context)
        for j in range(self.config.blocks):
            state = self.block(j, state)
        return self.head(state)

    def compilable(self) -> list[nn.Module]:
        """Modules that take and return tensors only and run once per step each."""
        return [*self.couplings, *self.joint_blocks, *self.fused_blocks]

    def _null_sync(self, length: int) -> Tensor:
        """Features `(1, length, D)` of a clip without pixels, stretched from Synchformer's rate to the latents'."""
        frames = length / self.latent_rate_hz * SYNC_RATE_HZ
        windows = max(1, int((frames - SYNC_WINDOW) // SYNC_HOP) + 1)
        null = repeat(self.empty_sync_feat, "1 c -> 1 w p c", w=windows, p=SYNC_HOP) + self.sync_pos_emb
        sync = self.sync_input_proj(rearrange(null, "1 w p c -> 1 (w p) c"))
        stretched = F.interpolate(rearrange(sync, "1 n d -> 1 d n"), size=length, mode="nearest-exact")
        return rearrange(stretched, "1 d n -> 1 n d")


def _xavier(module: nn.Module) -> None:
    """Xavier weights and zero biases for linear layers, except those that start at zero (MMAudio)."""
    if isinstance(module, nn.Linear) and not getattr(module, "starts_at_zero", False):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
