"""Write a model folder: the preset, the joint model and the codecs."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from unison_core.config import Preset, to_mapping
from unison_core.weights.resolve import FOLDER_FORMAT, FORMAT, PRESET, PRESET_FILE, WRITER
from unison_core.weights.tensors import write_tensors


def save_model(
    folder: Path,
    preset: Preset,
    model: nn.Module | Mapping[str, Tensor],
    *,
    codecs: Path | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Write `unison.yaml` and `model*.safetensors` into `folder`, and copy the codecs' files beside them.

    Args:
        folder: created if need be.
        preset: what `unison.yaml` will say.
        model: the joint model, or its state dict (an EMA's, say).
        codecs: folder of the codecs' files; None leaves those in `folder` as they are.
        dtype: cast floating-point tensors to this, bfloat16 for bundled weights; None keeps them.
    """
    state = model.state_dict() if isinstance(model, nn.Module) else model
    tensors = {key: _cast(tensor, dtype) for key, tensor in state.items()}
    write_tensors(folder, tensors, metadata=header(preset))
    if codecs is not None and codecs.resolve() != folder.resolve():
        for file in sorted(codecs.glob("*.safetensors*")):
            if not file.name.startswith("model"):
                _copy(file, folder / file.name)
    write_preset(folder, preset)


def header(preset: Preset) -> dict[str, str]:
    """What the joint model's files say of themselves: their format, who wrote them, and the preset."""
    from importlib.metadata import version

    return {
        FORMAT: str(FOLDER_FORMAT),
        WRITER: f"unison-av {version('unison-av')}",
        PRESET: json.dumps(to_mapping(preset), ensure_ascii=False),
    }


def write_preset(folder: Path, preset: Preset) -> None:
    """Write `unison.yaml`; the name appears only when the file is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{PRESET_FILE}.partial"
    text = yaml.safe_dump(to_mapping(preset), sort_keys=False, allow_unicode=True)
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, folder / PRESET_FILE)


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    os.replace(partial, target)


def _cast(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor
