"""Tensors on disk: safetensors in shards with an index, read strictly and written whole or not at all."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from unison_core.errors import UnisonError
from unison_core.weights.lazy import LazyTensor, damaged

SHARD_BYTES = 15_000_000
"""Bundled shards stay under 16 MB."""
LARGE_BYTES, LARGE_SHARD_BYTES = 1_500_000_000, 2_000_000_000
"""A model above the first size is written in shards of the second: a shard bounds what loading keeps in memory."""


def shard_files(folder: Path, stem: str = "model") -> list[Path]:
    """The files that hold `stem`; raises UnisonError where one is missing or cut short."""
    index = folder / f"{stem}.safetensors.index.json"
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise UnisonError(f"{index} cannot be read: download or save the model again") from error
        files = [folder / Path(name).name for name in names]
    else:
        files = [folder / f"{stem}.safetensors"]
    for file in files:
        if not file.is_file():
            raise UnisonError(f"{file} is missing: download or save the model again")
    return files


def shapes(folder: Path, stem: str = "model") -> dict[str, tuple[int, ...]]:
    """Shape of every tensor, read from the headers alone."""
    found: dict[str, tuple[int, ...]] = {}
    for file in shard_files(folder, stem):
        with _open(file) as shard:
            found |= {key: tuple(shard.get_slice(key).get_shape()) for key in shard.keys()}  # noqa: SIM118
    return found


def read_tensors(folder: Path, stem: str = "model", device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Every tensor of `stem`; raises UnisonError where a shard is missing or cut short."""
    tensors: dict[str, Tensor] = {}
    for shard in read_shards(folder, stem, device):
        tensors |= shard
    return tensors


def read_shards(folder: Path, stem: str = "model", device: torch.device | str = "cpu") -> Iterator[dict[str, Tensor]]:
    """The tensors of one file of `stem` after the other; raises UnisonError where one is missing or cut short."""
    for file in shard_files(folder, stem):
        with _open(file, str(device)) as shard:
            yield {key: shard.get_tensor(key) for key in shard.keys()}  # noqa: SIM118


def check_keys(module: nn.Module, found: Mapping[str, tuple[int, ...]], where: Path) -> None:
    """Raise UnisonError unless names and shapes in `found` are exactly those of the module, meta device or not."""
    wanted = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing:
        raise UnisonError(f"{where} lacks {len(missing)} tensors that its preset needs, such as {missing[0]}")
    if extra:
        raise UnisonError(f"{where} holds {len(extra)} tensors that its preset has no place for, such as {extra[0]}")
    for key, shape in wanted.items():
        if shape != found[key]:
            raise UnisonError(f"{where}: {key} has shape {found[key]}, but its preset wants {shape}")


def write_tensors(
    folder: Path,
    tensors: Mapping[str, Tensor | LazyTensor],
    stem: str = "model",
    metadata: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write tensors to `stem.safetensors`, or to shards of at most 15 MB (2 GB for large models) with an index.

    Old shards of the same stem are replaced; each new file appears under its name only when it is complete. Lazy
    tensors are read as their shard is written, so one shard is in memory at a time.

    Args:
        metadata: text that goes into every file's header.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    groups = _shards(tensors)
    names = [f"{stem}.safetensors"] if len(groups) == 1 else [
        f"{stem}-{i + 1:05d}-of-{len(groups):05d}.safetensors" for i in range(len(groups))
    ]  # fmt: skip
    partial = {name: folder / f".{name}.partial" for name in names}
    for name, keys in zip(names, groups, strict=True):
        shard = {key: _value(tensors[key]).detach().cpu().contiguous() for key in keys}
        save_file(shard, partial[name], {"format": "pt", **(metadata or {})})
        partial[name].chmod(0o644)  # safetensors writes for the owner alone
    for old in (*folder.glob(f"{stem}-*-of-*.safetensors"), folder / f"{stem}.safetensors.index.json"):
        old.unlink(missing_ok=True)
    if len(names) > 1:
        (folder / f"{stem}.safetensors").unlink(missing_ok=True)
    for name in names:
        os.replace(partial[name], folder / name)
    if len(names) > 1:
        weight_map = {key: name for name, keys in zip(names, groups, strict=True) for key in keys}
        total = sum(tensor.nbytes for tensor in tensors.values())
        text = json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=1, sort_keys=True)
        index = folder / f"{stem}.safetensors.index.json"
        index.with_name(f".{index.name}.partial").write_text(text + "\n", encoding="utf-8")
        os.replace(index.with_name(f".{index.name}.partial"), index)
    return [folder / name for name in names]


def metadata_of(file: Path) -> dict[str, str]:
    """The text in a file's header."""
    with _open(file) as shard:
        return dict(shard.metadata() or {})


def _value(tensor: Tensor | LazyTensor) -> Tensor:
    return tensor.read() if isinstance(tensor, LazyTensor) else tensor


def _shards(tensors: Mapping[str, Tensor | LazyTensor]) -> list[list[str]]:
    """Names in order, cut into groups of a shard's size (a larger tensor stands alone)."""
    whole = sum(tensor.nbytes for tensor in tensors.values())
    limit = SHARD_BYTES if whole <= LARGE_BYTES else LARGE_SHARD_BYTES
    groups: list[list[str]] = [[]]
    size = 0
    for key, tensor in tensors.items():
        if groups[-1] and size + tensor.nbytes > limit:
            groups.append([])
            size = 0
        groups[-1].append(key)
        size += tensor.nbytes
    return groups


def _open(file: Path, device: str = "cpu"):  # type: ignore[no-untyped-def]  # safetensors names no type for it
    try:
        return safe_open(file, framework="pt", device=device)
    except (SafetensorError, OSError) as error:
        raise damaged(file, error) from error
