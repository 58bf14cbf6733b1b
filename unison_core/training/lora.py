"""Low-rank adapters (LoRA, arXiv 2106.09685) by peft: W + alpha/r B A on chosen linear layers, the rest frozen.

An adapter is saved in peft's usual layout: `adapter_config.json` and `adapter_model.safetensors`.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from unison_core.errors import UsageError
from unison_core.weights.lora import CONFIG_FILE, WEIGHTS_FILE

BYPASSED = ("condition_embedder.time_embedder", "condition_embedder.time_proj", "sigma.proj")
"""Layers whose weights are read directly, in float32: an adapter on them would do nothing."""

PREFIX = "base_model.model."
ADAPTER = "default"


@dataclass(frozen=True, kw_only=True)
class LoRAConfig:
    """Which layers get an adapter, and of what size."""

    rank: int = 16
    """Inner width r."""
    alpha: float = 16.0
    """The update is scaled by alpha / r."""
    targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0", "attn.qkv")
    """Ends of the names of linear layers; the default is every attention of the branches and of the nodes."""
    under: tuple[str, ...] = ("video", "audio", "nodes")
    """Top-level modules that are adapted; `audio` alone adapts a voice, `video` alone a look."""
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0 or not 0 <= self.dropout < 1:
            raise ValueError(f"rank={self.rank}, alpha={self.alpha}, dropout={self.dropout}: a positive rank and alpha")


def add_adapter(model: nn.Module, config: LoRAConfig) -> list[str]:
    """Freeze `model` and put adapters into it, in place; returns the names of the adapted layers.

    Raises:
        UsageError: nothing fits, or peft is not installed.
    """
    chosen = _chosen(model, config)
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise UsageError("lora needs the package peft: pip install -e '.[train]'") from error
    model.requires_grad_(False)
    settings = LoraConfig(
        r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=chosen  # type: ignore[arg-type]
    )  # fmt: skip
    inject_adapter_in_model(settings, model, adapter_name=ADAPTER)
    return chosen


def save_adapter(folder: Path, config: LoRAConfig, base: str, weights: Mapping[str, Tensor]) -> None:
    """Write an adapter in peft's layout; each file appears whole.

    Args:
        folder: created if need be.
        config: what was trained, on the model `base`.
        weights: the model's state dict with the adapter in it; other tensors are left out.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    mine = {PREFIX + name.replace(f".{ADAPTER}.", "."): tensor.detach().cpu().contiguous()
            for name, tensor in weights.items() if ".lora_" in name}  # fmt: skip
    targets = sorted({name.removeprefix(PREFIX).split(".lora_")[0] for name in mine})
    settings = {"peft_type": "LORA", "base_model_name_or_path": base, "r": config.rank, "lora_alpha": config.alpha,
                "lora_dropout": config.dropout, "target_modules": targets, "bias": "none", "task_type": None,
                "inference_mode": True}  # fmt: skip
    for name, write in (
        (WEIGHTS_FILE, lambda path: save_file(mine, path, {"format": "pt"})),
        (CONFIG_FILE, lambda path: path.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")),
    ):
        partial = folder / f".{name}.partial"
        write(partial)
        partial.chmod(0o644)
        os.replace(partial, folder / name)


def _chosen(model: nn.Module, config: LoRAConfig) -> list[str]:
    """Names of the linear layers that the configuration means."""
    unknown = [name for name in config.under if getattr(model, name, None) is None]
    if unknown:
        raise UsageError(f"lora.under names {unknown[0]!r}, which the model does not have")
    ends = tuple(f".{target}" for target in config.targets)
    fitting = {name: module for name, module in model.named_modules()
               if name.split(".")[0] in config.under and f".{name}".endswith(ends)}  # fmt: skip
    for target in config.targets:
        if not any(f".{name}".endswith(f".{target}") for name in fitting):
            raise UsageError(f"lora.targets: no layer under {', '.join(config.under)} ends in {target!r}")
    for name, module in fitting.items():
        if type(module) is not nn.Linear or any(part in name for part in BYPASSED):
            raise UsageError(f"lora.targets: {name} is a {type(module).__name__} that takes no adapter")
    return list(fitting)
