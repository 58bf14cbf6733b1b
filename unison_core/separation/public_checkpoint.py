"""The public vocals checkpoint and its like: names of an older release of the package -> today's.

    layers.i.{0,1}.layers.m.n.*  ->  layers.i.{1,2}.layers.m.n.branch.*
    layers.i.{0,1}.norm.*        ->  layers.i.{1,2}.norm.*

The package has since put a linear transformer first in every layer (absent here) and each branch into a wrapper.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from bs_roformer.mel_band_roformer import MelBandRoformer
from torch import Tensor

from unison_core.errors import UnisonError, one_line
from unison_core.separation.config import SeparatorConfig
from unison_core.separation.mel_roformer import fuse, plain_separator

_LAYER = re.compile(r"^layers\.(\d+)\.([01])\.(.*)$")
_BRANCH = re.compile(r"^layers\.(\d+)\.(\d+)\.(.*)$")


def rename(key: str) -> str:
    """Today's name of a public checkpoint's tensor."""
    layer = _LAYER.match(key)
    if layer is None:
        return key
    rest = layer[3]
    branch = _BRANCH.match(rest)
    if branch is not None:
        rest = f"layers.{branch[1]}.{branch[2]}.branch.{branch[3]}"
    return f"layers.{layer[1]}.{int(layer[2]) + 1}.{rest}"


def load_public(path: Path, config: SeparatorConfig) -> MelBandRoformer:
    """Read a checkpoint with public names (`.ckpt`, `.pt`, `.pth` or `.safetensors`).

    Raises:
        UnisonError: the file is damaged, or its tensors are not exactly those of `config`.
    """
    state = {rename(key): tensor for key, tensor in read_checkpoint(path).items()}
    model = plain_separator(config)
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        cause = one_line(error, 300)
        raise UnisonError(f"{path} does not fit the configuration {config.name!r}: {cause}") from error
    return fuse(model).eval()


def read_checkpoint(path: Path) -> Mapping[str, Tensor]:
    """Tensors by name; nothing in the file is executed."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        for wrapper in ("state_dict", "model"):
            state = state.get(wrapper, state)
        return dict(state)
    except Exception as error:  # both libraries fail in many ways on a damaged file
        cause = one_line(error)
        raise UnisonError(f"{path} is no checkpoint that can be read ({cause}): download it again") from error
