"""Caption encoders of random weights with a tokenizer of bytes: they know no language, but have every size and shape.

For tests, and for timings at full size where nothing can be downloaded.
"""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from unison_core.config import ModelConfig
from unison_core.text.caption_features import AUDIO_FOLDER, VIDEO_FOLDER
from unison_core.weights.from_wan import UMT5_COPY
from unison_core.weights.tensors import write_tensors

UMT5_XXL = {"vocab_size": 256384, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
CLIP_H = {"vocab_size": 49408, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
SMALL_UMT5 = {"vocab_size": 300, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 2}
SMALL_CLIP = {"vocab_size": 300, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
FULL_WIDTH = 4096
"""Width of umT5-xxl's features: a preset that reads it gets encoders of the public sizes."""
CLIP_POSITIONS = 77


def write_scratch_captions(folder: Path, config: ModelConfig, seed: int, dtype: torch.dtype) -> list[str]:
    """Write both encoders and their tokenizers into a model folder; returns the names of the tensors."""
    written = []
    for name, kind, settings, first in configs(config):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            default = torch.get_default_dtype()
            torch.set_default_dtype(dtype)
            try:
                state = kind(settings).state_dict()
            finally:
                torch.set_default_dtype(default)
        target = folder / name
        own = {key: tensor for key, tensor in state.items() if key != UMT5_COPY}
        write_tensors(target, own)
        written += [f"{name}.{key}" for key in own]
        (target / "config.json").write_text(json.dumps(settings.to_dict(), indent=1, default=str), encoding="utf-8")
        write_byte_tokenizer(target, first)
    return written


def configs(config: ModelConfig) -> tuple[tuple[str, Any, Any, str | None], ...]:
    """Folder, class, configuration and opening mark of both encoders for a preset."""
    from transformers import CLIPTextConfig, CLIPTextModel, UMT5Config, UMT5EncoderModel

    full = config.video.text_dim == FULL_WIDTH
    umt5: dict[str, Any] = {"d_model": config.video.text_dim, "feed_forward_proj": "gated-gelu",
                            "tie_word_embeddings": False, **(UMT5_XXL if full else SMALL_UMT5)}  # fmt: skip
    clip: dict[str, Any] = {"hidden_size": config.audio.text_dim, "max_position_embeddings": CLIP_POSITIONS,
                            "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
                            **(CLIP_H if full else SMALL_CLIP)}  # fmt: skip
    return (
        (VIDEO_FOLDER, UMT5EncoderModel, UMT5Config(**umt5), None),
        (AUDIO_FOLDER, CLIPTextModel, CLIPTextConfig(**clip), "<s>"),
    )


def write_byte_tokenizer(folder: Path, first: str | None) -> None:
    """A tokenizer whose tokens are bytes, with an end mark and, where given, a `first` one."""
    marks = ["<s>", "</s>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate([*marks, *alphabet])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    opening = [first] if first else []
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[*opening, "$A", "</s>"], special_tokens=[(mark, i) for i, mark in enumerate(marks)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "pad_token": "<s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
