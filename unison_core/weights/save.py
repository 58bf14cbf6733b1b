"""Write a model folder: the preset, the joint model, and what belongs to it (codecs, caption encoders, licences)."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from unison_core.config import Preset, to_mapping
from unison_core.weights.checksums import CHECKSUMS_FILE
from unison_core.weights.resolve import FOLDER_FORMAT, FORMAT, PRESET, PRESET_FILE, WRITER
from unison_core.weights.tensors import write_tensors

COMPANION_FOLDERS = ("caption_video", "caption_audio")
COMPANION_FILES = ("transcript_tokens.txt", "sources.json")
LINK_ABOVE_BYTES = 100_000_000
"""Caption encoders have 12 GB: a training run that saves every few minutes cannot copy them each time."""


def save_model(
    folder: Path,
    preset: Preset,
    model: nn.Module | Mapping[str, Tensor],
    *,
    codecs: Path | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Write `unison.yaml` and `model*.safetensors` into `folder`, and put beside them what belongs to the model.

    Args:
        folder: created if need be.
        preset: what `unison.yaml` will say.
        model: the joint model, or its state dict (an EMA's, say).
        codecs: model folder whose codecs, caption encoders, table of tokens and record of licences are taken over
            (large files as hard links where the disk allows); None leaves those in `folder` as they are.
        dtype: cast floating-point tensors to this, bfloat16 for bundled weights; None keeps them.
    """
    state = model.state_dict() if isinstance(model, nn.Module) else model
    tensors = {key: _cast(tensor, dtype) for key, tensor in state.items()}
    write_tensors(folder, tensors, metadata=header(preset))
    (folder / CHECKSUMS_FILE).unlink(missing_ok=True)  # it spoke of other weights
    if codecs is not None and codecs.resolve() != folder.resolve():
        for file in companions(codecs):
            _place(file, folder / file.relative_to(codecs))
    write_preset(folder, preset)


def companions(folder: Path) -> list[Path]:
    """Files of a model folder that are not the joint model's own."""
    codecs = [file for file in folder.glob("*.safetensors*") if not file.name.startswith("model")]
    encoders = [file for name in COMPANION_FOLDERS for file in (folder / name).glob("*") if file.is_file()]
    return sorted([*codecs, *encoders, *(folder / n for n in COMPANION_FILES if (folder / n).is_file())])


def header(preset: Preset) -> dict[str, str]:
    """What the joint model's files say of themselves: their format, who wrote them, and the preset."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("unison-av")
    except PackageNotFoundError:
        number = "of a source folder"
    return {
        FORMAT: str(FOLDER_FORMAT),
        WRITER: f"unison-av {number}",
        PRESET: json.dumps(to_mapping(preset), ensure_ascii=False),
    }


def write_preset(folder: Path, preset: Preset) -> None:
    """Write `unison.yaml`; the name appears only when the file is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{PRESET_FILE}.partial"
    text = yaml.safe_dump(to_mapping(preset), sort_keys=False, allow_unicode=True)
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, folder / PRESET_FILE)


def _place(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy; nothing is done where it is that already."""
    if target.exists() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        if source.stat().st_size < LINK_ABOVE_BYTES:
            raise OSError
        os.link(source, partial)
    except OSError:  # small, or on another disk
        shutil.copyfile(source, partial)
    os.replace(partial, target)


def _cast(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor
