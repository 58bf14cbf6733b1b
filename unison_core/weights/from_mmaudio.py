"""MMAudio's public weights under this project's names: flow transformer, mel VAE, BigVGAN vocoder, CLIP's text tower.

The flow checkpoint also keeps the statistics of the audio latents; its rotations are computed, its empty caption is
CLIP's own answer to an empty string (public weights: MMAudio).
"""

import re
from pathlib import Path

import torch
from torch import Tensor

from unison_core.codecs.vocoder import fold_weight_norm
from unison_core.errors import UnisonError
from unison_core.weights.from_wan import find, renamed
from unison_core.weights.lazy import LazyTensor, LazyTensors, of_tensor, open_files

FLOW_FILES = (
    "weights/mmaudio_large_44k_v2.pth", "mmaudio_large_44k_v2.pth", "weights/mmaudio*.pth", "mmaudio*.pth",
    "mmaudio*.safetensors",
)  # fmt: skip
VAE_FILES = ("ext_weights/v1-44.pth", "v1-44.pth", "ext_weights/v1-*.pth", "v1-*.pth")
VOCODER_FILES = ("bigvgan_generator.pt", "ext_weights/bigvgan_generator.pt")
CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model*.safetensors", "pytorch_model*.bin")
DOWNLOADS = ("weights/mmaudio_large_44k_v2.pth", "ext_weights/v1-44.pth", "README.md", "LICENSE")
VOCODER_DOWNLOADS = ("bigvgan_generator.pt", "README.md", "LICENSE")
CLIP_DOWNLOADS = (
    "open_clip_pytorch_model.bin", "open_clip_model.safetensors", "*.json", "*.txt", "README.md", "LICENSE",
)  # fmt: skip
VAE_SOURCE = "https://github.com/hkchengrex/MMAudio/releases/download/v0.1/v1-44.pth"

LATENT_MEAN, LATENT_STD = STATISTICS = ("latent_mean", "latent_std")
NOT_WEIGHTS = {
    "latent_rot": "rotations, which are computed",
    "clip_rot": "rotations, which are computed",
    "empty_string_feat": "CLIP's features of an empty caption, which CLIP computes",
}
"""Tensors of the flow checkpoint that this project needs no copy of, and why."""

OPEN_CLIP_TEXT = (
    (r"^positional_embedding$", "text_model.embeddings.position_embedding.weight"),
    (r"^token_embedding\.", "text_model.embeddings.token_embedding."),
    (r"^ln_final\.", "text_model.final_layer_norm."),
    (r"^transformer\.resblocks\.", "text_model.encoder.layers."),
    (r"\.ln_1\.", ".layer_norm1."),
    (r"\.ln_2\.", ".layer_norm2."),
    (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)


def transformer(folder: Path) -> tuple[dict[str, LazyTensor], Tensor, Tensor]:
    """The flow transformer, and mean and deviation `(C,)` of its latents."""
    tensors = open_files(find(folder, FLOW_FILES, "MMAudio's flow transformer")[:1])
    missing = {LATENT_MEAN, LATENT_STD} - tensors.keys()
    if missing:
        raise UnisonError(f"MMAudio's weights in {folder} lack {sorted(missing)[0]}: is it a flow checkpoint?")
    mean, std = (tensors.pop(name).read().float().flatten() for name in (LATENT_MEAN, LATENT_STD))
    return tensors, mean, std


def audio_vae(folder: Path) -> dict[str, LazyTensor]:
    """The mel VAE; raises UnisonError saying where it is published, where the folder lacks it."""
    try:
        return open_files(find(folder, VAE_FILES, "MMAudio's mel VAE")[:1])
    except UnisonError as error:
        if "looked for" not in str(error):
            raise
        raise UnisonError(f"{error}; it is published at {VAE_SOURCE}: put it in a folder, pass --audio-vae") from error


def vocoder(folder: Path) -> dict[str, LazyTensor]:
    """BigVGAN's generator with its weight-norm pairs merged."""
    tensors = open_files(find(folder, VOCODER_FILES, "BigVGAN's generator"))
    parametrized = (
        (r"\.parametrizations\.weight\.original0$", ".weight_g"),
        (r"\.parametrizations\.weight\.original1$", ".weight_v"),
    )
    state = {key: tensor.read() for key, tensor in renamed(tensors, parametrized).items()}
    return {key: of_tensor(tensor) for key, tensor in fold_weight_norm(state).items()}


def clip_text(folder: Path) -> tuple[dict[str, LazyTensor], tuple[str, ...]]:
    """CLIP's text tower, from open_clip's or transformers' names, under transformers' names; and what is left over."""
    tensors = open_files(find(folder, CLIP_FILES, "CLIP's text tower"))
    if "token_embedding.weight" in tensors:
        seen = tuple(key for key in tensors if key.startswith("visual."))
        text = {key: tensor for key, tensor in tensors.items() if key not in seen}
        tensors = renamed(_split_projections(text), OPEN_CLIP_TEXT)
    else:
        seen = ()
    tower = {key: tensor for key, tensor in tensors.items() if _of_text_tower(key)}
    return tower, (*(key for key in tensors if key not in tower), *seen)


def _of_text_tower(key: str) -> bool:
    return key.startswith("text_model.") and not key.endswith("position_ids")


def _split_projections(tensors: LazyTensors) -> dict[str, LazyTensor]:
    """open_clip stacks the projections of queries, keys and values; transformers has one layer for each."""
    split: dict[str, LazyTensor] = {}
    for key, tensor in tensors.items():
        match = re.match(r"(.*)\.attn\.in_proj_(weight|bias)$", key)
        if match is None:
            split[key] = tensor
            continue
        rows = tensor.shape[0] // 3
        for i, name in enumerate(("q_proj", "k_proj", "v_proj")):
            part = LazyTensor((rows, *tensor.shape[1:]), tensor.dtype, _rows(tensor, i * rows, rows))
            split[f"{match[1]}.self_attn.{name}.{match[2]}"] = part
    return split


def _rows(tensor: LazyTensor, start: int, count: int):  # type: ignore[no-untyped-def]  # a reader of LazyTensor
    return lambda: torch.narrow(tensor.read(), 0, start, count)
