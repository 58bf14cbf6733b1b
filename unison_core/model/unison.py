"""The joint model: a video branch and a two-stream audio branch that meet at frame-level nodes (Unison sec. 3).

    Unison(caption, transcript, c_s, c_a) -> (video, speech, sfx)                                              (eq. 1)

After every audio block j a node couples the branches, at video block round((L1 - 1) j / (L2 - 1)).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from einops import rearrange
from torch import Tensor, nn

from unison_core.config import ModelConfig
from unison_core.model.activation_checkpoints import checkpoint_activations
from unison_core.model.audio_branch import AudioBranch, AudioContext, AudioState
from unison_core.model.caption_encoder import CaptionEncoder
from unison_core.model.frame_attention import FrameAttentionNode, FrameLayout, SigmaEmbedding, frame_layout
from unison_core.model.reference import ReferenceVoice
from unison_core.model.sequence_parallel import SequenceParallel
from unison_core.model.transcript_encoder import TranscriptEncoder
from unison_core.model.video_branch import VideoBranch, VideoContext, VideoState
from unison_core.timing import Timing
from unison_core.types import VIDEO, CaptionFeatures, Latents, Sigmas, TextInputs


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """All that does not change over the steps of one clip.

    Attributes:
        video: cross-attention keys and values, or None in audio-only training.
        audio: caption and transcript of the audio branch.
        layout: who attends to whom at the nodes.
        reference: latents `(B, R, C)` of a voice, or None.
    """

    video: VideoContext | None
    audio: AudioContext
    layout: FrameLayout
    reference: Tensor | None = None


class Unison(nn.Module):
    """Velocities of all streams from their noisy latents.

    Args:
        config: sizes.
        timing: rates, from which positions in seconds follow.
    """

    def __init__(self, config: ModelConfig, timing: Timing) -> None:
        super().__init__()
        self.config, self.timing = config, timing
        self.caption = CaptionEncoder(config.caption) if config.caption.kind == "bundled" else None
        self.transcript = TranscriptEncoder(config.transcript)
        self.video = VideoBranch(config.video)
        self.audio = AudioBranch(config.audio, config.transcript.out_dim)
        self.sigma = SigmaEmbedding(config.nodes.sigma_dim)
        self.nodes = nn.ModuleList(
            FrameAttentionNode(config.video.dim, config.audio.dim, config.nodes, self.audio.stream_names)
            for _ in range(config.audio.blocks)
        )
        self.reference = (
            ReferenceVoice(
                config.reference, config.audio.latent_channels, config.video.latent_channels, config.audio.dim
            )
            if config.reference
            else None
        )
        self.node_positions = node_positions(config.video.blocks, config.audio.blocks)
        self._layouts: dict[tuple[int, torch.device], FrameLayout] = {}

    def encode(
        self,
        text: TextInputs,
        frames: int,
        captions: CaptionFeatures | None = None,
        *,
        with_video: bool = True,
        reference: Tensor | None = None,
    ) -> Conditions:
        """Encode prompts once per clip.

        Args:
            text: tokenised prompts of B rows.
            frames: pixel frames of the clip, 4k+1.
            captions: features of frozen encoders, where the preset's captions are external; None takes those in `text`.
            with_video: False leaves the video branch out (audio-only training).
            reference: latents `(B, R, C)` of a voice that is to be heard.
        """
        if reference is not None and self.reference is None:
            raise ValueError("this preset takes no reference voice: it has no `reference` settings")
        layout = self.layout(frames, text.span_s.device)
        captions = captions or text.captions or self._encode_captions(text.caption_ids)
        transcript, transcript_mean = self.transcript(
            text.phoneme_ids, text.phoneme_mask, text.phoneme_weights, text.span_s,
            layout.audio_times_s.to(text.span_s), dropped=text.dropped,
        )  # fmt: skip
        return Conditions(
            video=self.video.encode_text(captions.video) if with_video else None,
            audio=self.audio.encode(captions.audio, captions.audio_mean, transcript, transcript_mean),
            layout=layout,
            reference=reference,
        )

    def layout(self, frames: int, device: torch.device) -> FrameLayout:
        """The windows of the nodes for a clip of `frames` pixel frames."""
        key = (frames, device)
        if key not in self._layouts:
            latents, tokens = self.timing.video_latents(frames), self.timing.audio_latents(frames)
            self._layouts[key] = frame_layout(self.timing, latents, tokens, self.config.nodes).to(device)
        return self._layouts[key]

    def _encode_captions(self, ids: Tensor) -> CaptionFeatures:
        if self.caption is None:
            raise ValueError("this preset's captions come from external encoders: pass their features")
        features, mean = self.caption(ids)
        return CaptionFeatures(video=features, audio=features, audio_mean=mean)

    def forward(
        self, latents: Latents, sigmas: Sigmas, conditions: Conditions, *, gates: list[Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Velocities v = eps - x0 by stream.

        Args:
            latents: noisy latents; without a video entry only the audio branch runs.
            sigmas: noise levels, video `(B, T)`, audio `(B,)`.
            conditions: from `encode`.
            gates: where given, receives each block's SCG gates `(B, 2)` (Unison Fig. 8).
        """
        names = [s for s in latents if s != VIDEO]
        audio = self.audio.embed({s: latents[s] for s in names}, {s: sigmas[s] for s in names}, conditions.audio)
        if conditions.reference is not None and self.reference is not None:
            voice = self.reference(conditions.reference, latents.get(VIDEO))
            audio = self.audio.prepend(audio, voice, self.reference.bias)
        elif self.reference is not None and self.training:
            unheard = self.reference.unheard()
            audio = replace(audio, streams={s: x + unheard.to(x.dtype) for s, x in audio.streams.items()})
        if VIDEO not in latents:
            for j in range(self.config.audio.blocks):
                audio = self.audio.block(j, audio)
            _collect(gates, audio)
            return self.audio.head(audio)
        if conditions.video is None:
            raise ValueError("conditions were encoded without video")
        video = self.video.embed(latents[VIDEO], sigmas[VIDEO], conditions.video)
        levels = {stream: self.sigma(sigma) for stream, sigma in sigmas.items()}
        j = 0
        for i in range(self.config.video.blocks):
            video = self.video.block(i, video)
            while j < len(self.nodes) and self.node_positions[j] == i:
                audio = self.audio.block(j, audio)
                video, audio = self._meet(j, video, audio, conditions.layout, levels)
                j += 1
        _collect(gates, audio)
        return {VIDEO: self.video.head(video), **self.audio.head(audio)}

    def _meet(
        self, j: int, video: VideoState, audio: AudioState, layout: FrameLayout, levels: Mapping[str, Tensor]
    ) -> tuple[VideoState, AudioState]:
        frames = video.grid[0]
        tokens = rearrange(video.tokens, "b (t s) d -> b t s d", t=frames)
        tokens, streams = self.nodes[j](tokens, audio.streams, layout, levels)
        return replace(video, tokens=rearrange(tokens, "b t s d -> b (t s) d")), replace(audio, streams=streams)

    def split(self, sequence: SequenceParallel | None) -> None:
        """Share the picture's tokens between processes from now on (`sequence_parallel`); None undoes it."""
        self.video.split(sequence)
        for node in self.nodes:
            node.sequence = sequence  # type: ignore[assignment]

    def compile_blocks(self) -> None:
        """Compile the blocks that touch video tokens, where the time goes, each kind once for any number of frames."""
        for block in [*self.video.blocks, *self.nodes]:
            block.compile(dynamic=True)


    def checkpoint_blocks(self) -> None:
        """Keep only the inputs of blocks and nodes in training; the backward pass computes their insides again."""
        checkpoint_activations([*self.video.blocks, *self.audio.compilable(), *self.nodes])


def _collect(gates: list[Tensor] | None, audio: AudioState) -> None:
    if gates is not None:
        gates.extend(audio.gates)


def node_positions(video_blocks: int, audio_blocks: int) -> tuple[int, ...]:
    """Video block after which audio block j and its node run, for every j: evenly spread, round((L1-1) j / (L2-1))."""
    last = max(audio_blocks - 1, 1)
    return tuple(round((video_blocks - 1) * j / last) for j in range(audio_blocks))
