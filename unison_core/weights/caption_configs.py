"""transformers' configurations of public caption encoders, from the files beside them or from the tensors' shapes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unison_core.weights.from_wan import read_json
from unison_core.weights.initialise import summary
from unison_core.weights.lazy import LazyTensors

CLIP_HEAD_DIM = 64


def umt5_config(tensors: LazyTensors, folder: Path) -> dict[str, Any]:
    """umT5's, as published in the diffusers layout, or read off the shapes in the original one."""
    path = folder / "text_encoder" / "config.json"
    if path.is_file():
        return read_json(path)
    first = "encoder.block.0.layer."
    buckets, heads = tensors[f"{first}0.SelfAttention.relative_attention_bias.weight"].shape
    return {
        "model_type": "umt5",
        "vocab_size": tensors["shared.weight"].shape[0],
        "d_model": tensors["shared.weight"].shape[1],
        "d_kv": tensors[f"{first}0.SelfAttention.q.weight"].shape[0] // heads,
        "d_ff": tensors[f"{first}1.DenseReluDense.wo.weight"].shape[1],
        "num_layers": summary(list(tensors))["encoder.block.*.layer.*.DenseReluDense.wo"],
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
    }


def clip_config(tensors: LazyTensors, folder: Path) -> dict[str, Any]:
    """That of CLIP's text tower, from transformers' or open_clip's configuration, or from the shapes."""
    published = folder / "config.json"
    if published.is_file() and "text_config" in (whole := read_json(published)):
        return {**whole["text_config"], "model_type": "clip_text_model"}
    positions, width = tensors["text_model.embeddings.position_embedding.weight"].shape
    settings: Mapping[str, Any] = {}
    if (folder / "open_clip_config.json").is_file():
        settings = read_json(folder / "open_clip_config.json").get("model_cfg", {})
    return {
        "model_type": "clip_text_model",
        "vocab_size": tensors["text_model.embeddings.token_embedding.weight"].shape[0],
        "hidden_size": width,
        "intermediate_size": tensors["text_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": summary(list(tensors))["text_model.encoder.layers.*.mlp.fc1"] // 2,
        "num_attention_heads": settings.get("text_cfg", {}).get("heads", max(1, width // CLIP_HEAD_DIM)),
        "max_position_embeddings": positions,
        "hidden_act": "quick_gelu" if settings.get("quick_gelu", True) else "gelu",
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write `config.json`."""
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
