"""LoRA adapters in peft's layout, merged into a model's weights as it is loaded: W + scale * alpha/r B A."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unison_core.errors import UnisonError, UsageError, one_line
from unison_core.weights.checksums import remembered_sha256

if TYPE_CHECKING:  # a wrong request is told of before torch is imported
    from torch import Tensor, nn

    from unison_core.config import Preset

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
SCALED = re.compile(r"^(?P<path>.+):(?P<scale>[-+]?(\d+\.?\d*|\.\d+))$")


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder, and how strongly it is applied: 1 as trained, 0 not at all."""

    folder: Path
    scale: float = 1.0

    def about(self) -> dict[str, object]:
        """What a record says of it."""
        return {"file": str(self.folder), "scale": self.scale, "sha256": remembered_sha256(self.folder / WEIGHTS_FILE)}


def parse_adapter(text: str) -> Adapter:
    """`FILE[:scale]`: a folder in peft's layout, or the `adapter_model.safetensors` in it.

    Raises:
        UsageError: there is no such adapter.
    """
    match = None if Path(text).exists() else SCALED.match(text)
    path, scale = (Path(match["path"]), float(match["scale"])) if match else (Path(text), 1.0)
    folder = path.parent if path.is_file() else path
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise UsageError(f"--lora {text}: {folder} holds no {name}")
    return Adapter(folder, scale)


def merge_adapters(model: nn.Module, adapters: Sequence[Adapter]) -> None:
    """Add adapters to the weights of `model` in place, one after the other.

    Raises:
        UsageError: peft is not installed. UnisonError: an adapter does not fit the model.
    """
    for adapter in adapters:
        _merge(model, adapter)


def merged_tensors(folder: Path, preset: Preset, adapters: Sequence[Adapter]) -> dict[str, Tensor]:
    """The joint model's tensors in a model folder with adapters merged in, in float32."""
    from unison_core.model.unison import Unison
    from unison_core.weights.state import load_model_state

    model = Unison(preset.model, preset.timing)
    load_model_state(model, folder)
    merge_adapters(model, adapters)
    return model.state_dict()


def _merge(model: nn.Module, adapter: Adapter) -> None:
    try:
        from peft import PeftConfig, inject_adapter_in_model, set_peft_model_state_dict
        from peft.tuners.lora import LoraLayer
    except ImportError as error:
        raise UsageError("--lora needs the package peft: pip install -e '.[train]'") from error
    from safetensors.torch import load_file

    try:
        config = PeftConfig.from_pretrained(str(adapter.folder))
        inject_adapter_in_model(config, model)
        loaded = set_peft_model_state_dict(model, load_file(adapter.folder / WEIGHTS_FILE))
        if loaded is not None and loaded.unexpected_keys:
            raise ValueError(f"the model has no {loaded.unexpected_keys[0]}")
    except Exception as error:  # peft and safetensors fail in many ways on a foreign or damaged file
        _restore(model)
        cause = one_line(error)
        raise UnisonError(f"the adapter {adapter.folder} does not fit the model: {cause}") from error
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.scale_layer(adapter.scale)
            module.merge(safe_merge=True)
    _restore(model)


def _restore(model: nn.Module) -> None:
    """Put plain layers back in place of those that carry an adapter."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, module.get_base_layer())
    if hasattr(model, "peft_config"):
        del model.peft_config
