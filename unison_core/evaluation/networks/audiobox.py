"""Audiobox-Aesthetics: four heads on WavLM-base, each with its own weights over 13 layers (Tjandra et al., 2025).

    e_axis = normalize(mean over heard frames of sum_l softmax(w_axis)_l h_l),    score = MLP_axis(e) * std + mean

WavLM is transformers' own; the public checkpoint names its parts as its first release did, `renamed` translates.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import WavLMConfig, WavLMModel

AXES = ("CE", "CU", "PC", "PQ")
"""Content enjoyment, content usefulness, production complexity, production quality."""
RATE_HZ = 16000
ENCODER = "wavlm_model."
WINDOW_S = 10

RENAMES = (
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
    (r"feature_extractor\.conv_layers\.0\.2\.", "feature_extractor.conv_layers.0.layer_norm."),
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^mask_emb$", "masked_spec_embed"),
    (r"encoder\.pos_conv\.0\.weight_g$", "encoder.pos_conv_embed.conv.parametrizations.weight.original0"),
    (r"encoder\.pos_conv\.0\.weight_v$", "encoder.pos_conv_embed.conv.parametrizations.weight.original1"),
    (r"encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
    (r"self_attn_layer_norm\.", "layer_norm."),
    (r"self_attn\.relative_attention_bias\.", "attention.rel_attn_embed."),
    (r"self_attn\.grep_linear\.", "attention.gru_rel_pos_linear."),
    (r"self_attn\.grep_a$", "attention.gru_rel_pos_const"),
    (r"self_attn\.", "attention."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)


@dataclass(frozen=True, kw_only=True)
class AudioboxConfig:
    """Sizes and target scale, as the checkpoint's `config.json` has them."""

    proj_num_layer: int = 1
    proj_ln: bool = False
    proj_dropout: float = 0.0
    nth_layer: int = 13
    use_weighted_layer_sum: bool = True
    normalize_embed: bool = True
    target_transform: Mapping[str, Mapping[str, float]] = field(
        default_factory=lambda: {axis: {"mean": 0.0, "std": 1.0} for axis in AXES}
    )


class AudioboxAesthetics(nn.Module):
    """Scores windows of 16 kHz mono sound; keys are `wavlm_model.*` (renamed), `proj_layer.*` and `layer_weights.*`."""

    def __init__(self, config: AudioboxConfig, wavlm: WavLMConfig | None = None) -> None:
        super().__init__()
        self.config = config
        self.wavlm_model = WavLMModel(wavlm or WavLMConfig())
        dim = self.wavlm_model.config.hidden_size
        self.proj_layer = nn.ModuleDict({axis: nn.Sequential(*_mlp(dim, config)) for axis in AXES})
        if config.use_weighted_layer_sum:
            weights = {axis: nn.Parameter(torch.ones(config.nth_layer) / config.nth_layer) for axis in AXES}
            self.layer_weights = nn.ParameterDict(weights)

    def forward(self, waves: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Scores `(B,)` by axis, in the public units.

        Args:
            waves: `(B, samples)`, padded with zeros at the end.
            lengths: `(B,)` samples that are sound.
        """
        heard = torch.arange(waves.shape[1], device=waves.device) < lengths[:, None]
        features = self.wavlm_model.feature_extractor(waves).transpose(1, 2)  # (B, N, C)
        frames = frame_mask(heard, features.shape[1])
        hidden, _ = self.wavlm_model.feature_projection(features)
        states = torch.stack(self._layers(hidden, frames), dim=-1)  # (B, N, D, L)
        scores = {}
        for axis in AXES:
            if self.config.use_weighted_layer_sum:
                embedding = states @ self.layer_weights[axis].softmax(dim=-1)  # (B, N, D)
            else:
                embedding = states[..., -1]
            kept = frames[..., None].to(embedding)
            embedding = (embedding * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)
            if self.config.normalize_embed:
                embedding = normalize(embedding, dim=-1)
            scale = self.config.target_transform[axis]
            scores[axis] = self.proj_layer[axis](embedding)[:, 0] * scale["std"] + scale["mean"]
        return scores

    def _layers(self, hidden: Tensor, frames: Tensor) -> list[Tensor]:
        """What goes into the first layer of the encoder, and what comes out of each, `(B, N, D)`."""
        found: list[Tensor] = []
        encoder = self.wavlm_model.encoder
        hooks = [encoder.layers[0].register_forward_pre_hook(lambda module, inputs: found.append(inputs[0]))]
        hooks += [layer.register_forward_hook(lambda module, inputs, out: found.append(
            out[0] if isinstance(out, tuple) else out)) for layer in encoder.layers]  # fmt: skip
        try:
            encoder(hidden, attention_mask=frames)
        finally:
            for hook in hooks:
                hook.remove()
        return found


def frame_mask(heard: Tensor, frames: int) -> Tensor:
    """Which of `frames` hold sound, `(B, frames)`, from samples `(B, samples)`: those of which any sample is sound."""
    count = heard.shape[1] - heard.shape[1] % frames
    return heard[:, :count].unflatten(1, (frames, -1)).any(dim=-1)


def windows(samples: int) -> list[tuple[int, int, float]]:
    """Start, end and weight (share of 10 s) of the windows of a wave; scores are their weighted mean."""
    size = WINDOW_S * RATE_HZ
    return [(i, min(i + size, samples), (min(i + size, samples) - i) / size) for i in range(0, samples, size)]


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The public checkpoint's state under this module's names; what is named so already stays."""
    names = {}
    for name, tensor in state.items():
        name = name.removeprefix("model.")
        part = name.removeprefix(ENCODER)
        if part != name:
            for pattern, replacement in RENAMES:
                part = re.sub(pattern, replacement, part)
            part = ENCODER + part
        names[part] = tensor
    return names


def _mlp(dim: int, config: AudioboxConfig) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(config.proj_num_layer - 1):
        layers.append(nn.Linear(dim, dim))
        layers += [nn.LayerNorm(dim)] if config.proj_ln else []
        layers.append(nn.GELU())
        layers += [nn.Dropout(config.proj_dropout)] if config.proj_dropout else []
    return [*layers, nn.Linear(dim, 1)]
