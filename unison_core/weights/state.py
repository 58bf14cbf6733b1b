"""Load the tensors of a model folder into a module, strictly."""

from pathlib import Path

import torch
from torch import nn

from unison_core.errors import UnisonError
from unison_core.weights.tensors import check_keys, read_tensors, shapes


def load_model_state(model: nn.Module, folder: Path, *, partial: bool = False, stem: str = "model") -> list[str]:
    """Copy the tensors that `folder` holds into `model`, in the model's own precision and place.

    Args:
        model: built from the preset that the tensors were saved with.
        folder: a model folder.
        partial: let the folder lack tensors (a stage that adds modules); shapes and names must still fit.
        stem: which files, `model*.safetensors` by default.

    Returns:
        Names of the tensors that the folder lacks; empty unless `partial`.

    Raises:
        UnisonError: a file is missing or damaged, or names or shapes do not fit.
    """
    found = shapes(folder, stem)
    wanted = model.state_dict().keys()
    missing = sorted(wanted - found.keys())
    if partial and missing:
        if not wanted & found.keys():
            raise UnisonError(f"{folder} holds none of the tensors that the model needs, such as {missing[0]}")
        own = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
        found |= {key: own[key] for key in missing}
    check_keys(model, found, folder)
    with torch.no_grad():
        model.load_state_dict(read_tensors(folder, stem), strict=not partial)
    return missing
