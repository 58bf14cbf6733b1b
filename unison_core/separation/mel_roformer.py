"""Mel-Band RoFormer (Wang, Lu, Won 2023) from the package BS-RoFormer: a mixture -> a complex mask of its speech.

    speech = iSTFT(M * STFT(mix)),    sfx = mix - speech

Band by band, spectra become tokens; transformers look along time and along bands in turn; an MLP per band gives masks,
averaged where bands overlap.
"""

from pathlib import Path
from typing import Any

import torch
from bs_roformer.mel_band_roformer import MaskEstimator, MelBandRoformer
from torch import Tensor, nn

from unison_core.config import from_mapping, read_yaml, to_mapping
from unison_core.separation.attention import FusedAttend, use_fused_attention
from unison_core.separation.band_level import LevelBandSplit
from unison_core.separation.config import SeparatorConfig
from unison_core.separation.local_mixing import ALONG_TIME, mix_neighbours
from unison_core.separation.precision import keep_float32
from unison_core.separation.real_ends import keep_ends_real
from unison_core.weights.tensors import check_keys, read_tensors, write_tensors

STEM = "separator"
CONFIG_FILE = "separator.yaml"
PACKAGE_EXPANSION = 4
"""What `MelBandRoformer` gives its mask estimators, and has no argument for."""


def build_separator(config: SeparatorConfig) -> MelBandRoformer:
    """A model with random weights: `(B, channels, samples)` -> the speech in it, of the same shape, float32."""
    model = fuse(plain_separator(config))
    for pair, pool in zip(model.layers, config.time_pools, strict=False):
        for attention, _ in pair[ALONG_TIME].layers:
            attention.branch.attend = FusedAttend(pool)
    return model


def fuse(model: MelBandRoformer) -> MelBandRoformer:
    """Give a plain separator fused attention, float32 ends and masks that are real where spectra are, in place.

    Its weights stay the same, and so do its outputs on a CPU; on a GPU the plain one's depend on the batch.
    """
    use_fused_attention(model)
    keep_ends_real(model)
    for end in (model.band_split, *model.mask_estimators):
        keep_float32(end)
    return model


def plain_separator(config: SeparatorConfig) -> MelBandRoformer:
    """The same with the package's own attention, whose state dict holds the rotations' frequencies too."""
    model = MelBandRoformer(
        dim=config.dim,
        depth=config.depth,
        stereo=config.channels == 2,
        time_transformer_depth=1,
        freq_transformer_depth=1,
        linear_transformer_depth=0,
        num_bands=config.bands,
        dim_head=config.dim_head,
        heads=config.heads,
        attn_dropout=0.0,
        ff_dropout=0.0,
        sample_rate=config.rate_hz,
        stft_n_fft=config.n_fft,
        stft_hop_length=config.hop,
        stft_win_length=config.n_fft,
        mask_estimator_depth=config.mask_depth,
        zero_dc=config.zero_dc,
        match_input_audio_length=True,
        add_value_residual=False,
        num_residual_streams=1,
    )
    if config.position_hop:  # one rotation is shared by all transformers along time
        rotation = model.layers[0][ALONG_TIME].layers[0][0].branch.rotary_embed
        rotation.freqs.data.mul_(config.hop / config.position_hop)
    mix_neighbours(model, config.time_taps, config.band_taps)
    if config.band_split == "shape_and_level":
        model.band_split = LevelBandSplit(config.dim, model.band_split.dim_inputs)
    if config.mask_expansion != PACKAGE_EXPANSION:
        sizes = model.band_split.dim_inputs
        masks = MaskEstimator(config.dim, sizes, config.mask_depth, mlp_expansion_factor=config.mask_expansion)
        model.mask_estimators = nn.ModuleList([masks])
    return model


def save_separator(folder: Path, config: SeparatorConfig, state: dict[str, Tensor]) -> None:
    """Write `separator.yaml` and `separator.safetensors` (bf16)."""
    import yaml

    write_tensors(folder, {key: value.to(torch.bfloat16) for key, value in state.items()}, STEM)
    partial = folder / f".{CONFIG_FILE}.partial"
    partial.write_text(yaml.safe_dump(to_mapping(config), sort_keys=False), encoding="utf-8")
    partial.replace(folder / CONFIG_FILE)


def load_separator(folder: Path) -> tuple[SeparatorConfig, MelBandRoformer]:
    """Read what `save_separator` wrote; raises UnisonError where the weights do not fit the configuration."""
    config = from_mapping(SeparatorConfig, read_yaml(folder / CONFIG_FILE), str(folder / CONFIG_FILE))
    model = build_separator(config)
    tensors = read_tensors(folder, STEM)
    check_keys(model, {key: tuple(value.shape) for key, value in tensors.items()}, folder)
    model.load_state_dict(tensors)
    return config, model.eval()


def compile_parts(model: MelBandRoformer, **options: Any) -> None:
    """Compile what the spectra pass through, part by part: spectra themselves are complex, which compilers dislike.

    Layers of one shape share their code. `options` go to `torch.compile`.
    """
    from torch._dynamo import config  # takes most of a second, which separation on a CPU need not wait for

    config.recompile_limit = max(config.recompile_limit, 64)
    for part in _parts(model):
        part.compile(**options)


def uncompile_parts(model: MelBandRoformer) -> None:
    """Undo `compile_parts`."""
    for part in _parts(model):
        part._compiled_call_impl = None


def _parts(model: MelBandRoformer) -> list[nn.Module]:
    layers = [transformer for pair in model.layers for transformer in pair if transformer is not None]
    return [model.band_split, *layers, *model.mask_estimators]
