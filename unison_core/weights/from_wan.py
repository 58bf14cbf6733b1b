"""Wan2.2's public weights under this project's names: video transformer, video VAE and umT5, in both public layouts.

The diffusers layout keeps each part in a folder of its own (`transformer/`, `vae/`, `text_encoder/`, `tokenizer/`); the
original one keeps all in one folder under other names, with norm2 and norm3 swapped (public weights: Wan2.2).
"""

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from unison_core.errors import UnisonError
from unison_core.weights.lazy import LazyTensor, LazyTensors, open_files

TRANSFORMER_FILES = ("transformer/diffusion_pytorch_model*.safetensors", "diffusion_pytorch_model*.safetensors")
VAE_FILES = ("vae/diffusion_pytorch_model*.safetensors", "Wan2.2_VAE.pth")
UMT5_FILES = ("text_encoder/model*.safetensors", "models_t5_umt5-xxl-enc-bf16.pth")
UMT5_CONFIGS = ("text_encoder/config.json",)
UMT5_COPY = "encoder.embed_tokens.weight"
"""The same tensor as `shared.weight`, which transformers saves twice."""
TOKENIZER_FOLDERS = ("tokenizer", "google/umt5-xxl")
DOWNLOADS = (*TRANSFORMER_FILES, *VAE_FILES, *UMT5_FILES, *(f"{folder}/*" for folder in TOKENIZER_FOLDERS),
             "vae/config.json", "text_encoder/config.json", "README.md")  # fmt: skip
"""What of a Hub repository is used."""

ORIGINAL_TRANSFORMER = (
    (r"^text_embedding\.0\.", "condition_embedder.text_embedder.linear_1."),
    (r"^text_embedding\.2\.", "condition_embedder.text_embedder.linear_2."),
    (r"^time_embedding\.0\.", "condition_embedder.time_embedder.linear_1."),
    (r"^time_embedding\.2\.", "condition_embedder.time_embedder.linear_2."),
    (r"^time_projection\.1\.", "condition_embedder.time_proj."),
    (r"\.self_attn\.", ".attn1."),
    (r"\.cross_attn\.", ".attn2."),
    (r"(\.attn[12])\.([qkv])\.", r"\1.to_\2."),
    (r"(\.attn[12])\.o\.", r"\1.to_out.0."),
    (r"\.ffn\.0\.", ".ffn.net.0.proj."),
    (r"\.ffn\.2\.", ".ffn.net.2."),
    (r"\.norm3\.", ".norm2."),
    (r"^head\.head\.", "proj_out."),
    (r"^head\.modulation$", "scale_shift_table"),
    (r"\.modulation$", ".scale_shift_table"),
)
ORIGINAL_VAE = (
    (r"^conv1\.", "quant_conv."),
    (r"^conv2\.", "post_quant_conv."),
    (r"^(encoder|decoder)\.conv1\.", r"\1.conv_in."),
    (r"^(encoder|decoder)\.head\.0\.", r"\1.norm_out."),
    (r"^(encoder|decoder)\.head\.2\.", r"\1.conv_out."),
    (r"\.middle\.1\.", ".mid_block.attentions.0."),
    (r"\.middle\.0\.", ".mid_block.resnets.0."),
    (r"\.middle\.2\.", ".mid_block.resnets.1."),
    (r"\.downsamples\.(\d+)\.downsamples\.(\d+)\.(residual|shortcut)", r".down_blocks.\1.resnets.\2.\3"),
    (r"\.downsamples\.(\d+)\.downsamples\.\d+\.(resample|time_conv)", r".down_blocks.\1.downsampler.\2"),
    (r"\.upsamples\.(\d+)\.upsamples\.(\d+)\.(residual|shortcut)", r".up_blocks.\1.resnets.\2.\3"),
    (r"\.upsamples\.(\d+)\.upsamples\.\d+\.(resample|time_conv)", r".up_blocks.\1.upsampler.\2"),
    (r"\.residual\.0\.", ".norm1."),
    (r"\.residual\.2\.", ".conv1."),
    (r"\.residual\.3\.", ".norm2."),
    (r"\.residual\.6\.", ".conv2."),
    (r"\.shortcut\.", ".conv_shortcut."),
)
ORIGINAL_UMT5 = (
    (r"^token_embedding\.", "shared."),
    (r"^norm\.", "encoder.final_layer_norm."),
    (r"^blocks\.(\d+)\.", r"encoder.block.\1."),
    (r"\.norm1\.", ".layer.0.layer_norm."),
    (r"\.attn\.([qkvo])\.", r".layer.0.SelfAttention.\1."),
    (r"\.pos_embedding\.embedding\.", ".layer.0.SelfAttention.relative_attention_bias."),
    (r"\.norm2\.", ".layer.1.layer_norm."),
    (r"\.ffn\.gate\.0\.", ".layer.1.DenseReluDense.wi_0."),
    (r"\.ffn\.fc1\.", ".layer.1.DenseReluDense.wi_1."),
    (r"\.ffn\.fc2\.", ".layer.1.DenseReluDense.wo."),
)

LATENTS_MEAN = (
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891, 0.1570,
    -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502, -0.2055, -0.0322,
    0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230, -0.0313, -0.1649, 0.0117, 0.0723, -0.2839, -0.2083, -0.0520,
    0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
)  # fmt: skip
LATENTS_STD = (
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901, 0.6885, 0.6165,
    0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659, 0.7069, 0.5338, 0.4889, 0.4917,
    0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600,
    0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)  # fmt: skip
"""Per-channel statistics of Wan2.2's latents, which the original layout keeps in its code."""


def transformer(folder: Path) -> dict[str, LazyTensor]:
    """The video transformer of either layout under diffusers' names, which are the video branch's own."""
    tensors = open_files(find(folder, TRANSFORMER_FILES, "the video transformer"))
    if any(key.startswith("condition_embedder.") for key in tensors):
        return tensors
    return renamed(tensors, ORIGINAL_TRANSFORMER)


def video_vae(folder: Path) -> tuple[dict[str, LazyTensor], tuple[float, ...], tuple[float, ...]]:
    """The video VAE of either layout under diffusers' names, and the mean and deviation of its latents."""
    tensors = open_files(find(folder, VAE_FILES, "the video VAE"))
    if any(key.startswith("quant_conv.") for key in tensors):
        config = read_json(folder / "vae" / "config.json")
        return tensors, tuple(config["latents_mean"]), tuple(config["latents_std"])
    return renamed(tensors, ORIGINAL_VAE), LATENTS_MEAN, LATENTS_STD


def umt5(folder: Path) -> tuple[dict[str, LazyTensor], tuple[str, ...]]:
    """umT5's encoder of either layout under transformers' names; and what is left over."""
    tensors = open_files(find(folder, UMT5_FILES, "the text encoder umT5"))
    if "token_embedding.weight" in tensors:
        return renamed(tensors, ORIGINAL_UMT5), ()
    own = {key: tensor for key, tensor in tensors.items() if key != UMT5_COPY}
    return own, tuple(tensors.keys() - own.keys())


def downloads(scratch: Collection[str]) -> tuple[str, ...]:
    """What of a Hub repository is used where the parts `scratch` (video, video-vae, captions) start from nothing."""
    left_out = {
        "video": TRANSFORMER_FILES, "video-vae": VAE_FILES,
        "captions": (*UMT5_FILES, *(f"{folder}/*" for folder in TOKENIZER_FOLDERS)),
    }  # fmt: skip
    return tuple(p for p in DOWNLOADS if not any(p in files for part, files in left_out.items() if part in scratch))


def tokenizer_folder(folder: Path) -> Path:
    """Where umT5's tokenizer lies."""
    for name in TOKENIZER_FOLDERS:
        if (folder / name).is_dir():
            return folder / name
    raise UnisonError(f"{folder} holds no tokenizer of umT5: looked for {', '.join(TOKENIZER_FOLDERS)}")


def find(folder: Path, patterns: Iterable[str], what: str) -> list[Path]:
    """Files of the first pattern that matches any; raises UnisonError where none does."""
    for pattern in patterns:
        files = sorted(folder.glob(pattern))
        if files:
            return files
    raise UnisonError(f"{folder} does not hold {what}: looked for {', '.join(patterns)}")


def renamed(tensors: LazyTensors, rules: Iterable[tuple[str, str]]) -> dict[str, LazyTensor]:
    """The same tensors with every rule applied to their names, in order."""
    names = {}
    for key, tensor in tensors.items():
        for pattern, new in rules:
            key = re.sub(pattern, new, key)
        names[key] = tensor
    return names


def read_json(path: Path) -> dict:
    """A JSON object; raises UnisonError where the file is not one."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnisonError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise UnisonError(f"{path} does not hold an object")
    return data
