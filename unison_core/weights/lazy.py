"""Tensors of checkpoint files that are read one at a time, when they are needed: a full-size model never lies in memory
twice.
"""

import math
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from unison_core.errors import UnisonError, one_line

WRAPPERS = ("model", "generator", "state_dict")
"""Keys under which public `.pth` and `.pt` files keep their tensors."""
SAFETENSORS_TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


@dataclass(frozen=True)
class LazyTensor:
    """A tensor that is known by shape and type, and read on demand.

    Attributes:
        shape, dtype: of what `read` returns.
        read: gives the tensor on the CPU, anew on every call.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def cast(self, dtype: torch.dtype | None) -> "LazyTensor":
        """The same values in `dtype`; integers and None leave it alone."""
        if dtype is None or not self.dtype.is_floating_point or dtype == self.dtype:
            return self
        return replace(self, dtype=dtype, read=lambda: self.read().to(dtype))

    def view(self, *shape: int) -> "LazyTensor":
        """The same values in another shape of as many."""
        if math.prod(shape) != math.prod(self.shape):
            raise ValueError(f"{self.shape} cannot be viewed as {shape}")
        return replace(self, shape=shape, read=lambda: self.read().reshape(shape))


LazyTensors = Mapping[str, LazyTensor]


def of_tensor(tensor: Tensor) -> LazyTensor:
    """A tensor that is in memory already."""
    return LazyTensor(tuple(tensor.shape), tensor.dtype, lambda: tensor)


def open_files(files: Iterable[Path]) -> dict[str, LazyTensor]:
    """Tensors of safetensors, `.pth`, `.pt` and `.bin` files; raises UnisonError naming a file that is bad."""
    tensors: dict[str, LazyTensor] = {}
    for file in files:
        tensors |= _open_safetensors(file) if file.suffix == ".safetensors" else _open_pickle(file)
    return tensors


def _open_safetensors(file: Path) -> dict[str, LazyTensor]:
    try:
        with safe_open(file, framework="pt") as shard:
            slices = {key: shard.get_slice(key) for key in shard.keys()}  # noqa: SIM118
            return {
                key: LazyTensor(
                    tuple(part.get_shape()), SAFETENSORS_TYPES[part.get_dtype()], partial(_read_one, file, key)
                )
                for key, part in slices.items()
            }
    except (SafetensorError, OSError, KeyError) as error:
        raise damaged(file, error) from error


def _read_one(file: Path, key: str) -> Tensor:
    """One tensor, copied out, so that the file's pages need not stay."""
    try:
        with safe_open(file, framework="pt") as shard:
            return shard.get_tensor(key).clone()
    except (SafetensorError, OSError) as error:
        raise damaged(file, error) from error


def _open_pickle(file: Path) -> dict[str, LazyTensor]:
    """Tensors of a torch file; only tensors are unpickled, never code, and the file is mapped, not read."""
    try:
        mapped = is_zipfile(file)  # the form before PyTorch 1.6 cannot be mapped
        state: Any = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise damaged(file, error) from error
    for key in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not any(isinstance(value, Tensor) for value in state.values()):
        raise UnisonError(f"{file} holds no tensors by name: is it another file of that model?")
    return {key: of_tensor(value.detach()) for key, value in state.items() if isinstance(value, Tensor)}


def damaged(file: Path, error: Exception) -> UnisonError:
    """What to tell of a file that cannot be read."""
    cause = one_line(error)
    return UnisonError(f"{file} is damaged or cut short ({cause}): download or save the model again")
