"""Load the tensors of a model folder into a module, strictly."""

from pathlib import Path

import torch
from torch import Tensor, nn

from unison_core.errors import UnisonError
from unison_core.weights.tensors import check_keys, read_shards, shapes


def load_model_state(
    model: nn.Module, folder: Path, *, partial: bool = False, without: tuple[str, ...] = (), stem: str = "model"
) -> list[str]:
    """Copy the tensors that `folder` holds into `model`, in the model's own precision and place.

    Args:
        model: built from the preset that the tensors were saved with.
        folder: a model folder.
        partial: let the folder lack tensors (a stage that adds modules); shapes and names must still fit.
        without: top-level modules that stay as they are, whatever the folder holds of them.
        stem: which files, `model*.safetensors` by default.

    Returns:
        Names of the tensors that were not loaded; empty unless `partial` or `without`.

    Raises:
        UnisonError: a file is missing or damaged, or names or shapes do not fit.
    """
    own = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    passed_over = {key for key in own if key.split(".")[0] in without}
    found = {key: shape for key, shape in shapes(folder, stem).items() if key.split(".")[0] not in without}
    missing = sorted(own.keys() - found.keys())
    if partial and missing and not own.keys() & found.keys():
        raise UnisonError(f"{folder} holds none of the tensors that the model needs, such as {missing[0]}")
    check_keys(model, found | {key: own[key] for key in (missing if partial else passed_over)}, folder)
    with torch.no_grad():
        for shard in read_shards(folder, stem):
            model.load_state_dict({key: x for key, x in shard.items() if key in found}, strict=False)
    return missing


def load_onto(
    model: nn.Module,
    folder: Path,
    device: torch.device | str,
    dtype: torch.dtype,
    *,
    stem: str = "model",
    apart: tuple[str, ...] = (),
) -> dict[str, Tensor]:
    """Give a model that was built on the meta device its weights, shard by shard, in place and precision.

    The host never holds more than one shard beside what it keeps. Returns the tensors `apart`, which are not the
    model's, where the files have them. Raises UnisonError as `load_model_state` does, and for a tensor without a value.
    """
    found = shapes(folder, stem)
    check_keys(model, {name: shape for name, shape in found.items() if name not in apart}, folder / stem)
    kept: dict[str, Tensor] = {}
    owners = {f"{name}.{key}" if name else key: (module, key) for name, module in model.named_modules()
              for key in (*module._parameters, *module._buffers)}  # fmt: skip
    for shard in read_shards(folder, stem):
        for name, tensor in shard.items():
            if name in apart:
                kept[name] = tensor.to(device=device, copy=True)
                continue
            module, key = owners[name]
            value = tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else tensor.dtype, copy=True)
            if key in module._parameters:
                module._parameters[key] = nn.Parameter(value, requires_grad=False)
            else:
                module._buffers[key] = value
    empty = [name for name, t in (*model.named_parameters(), *model.named_buffers()) if t.is_meta]
    if empty:
        raise UnisonError(f"{folder} gives {empty[0]} no value: it is no tensor of the model's state")
    return kept
