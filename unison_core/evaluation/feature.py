"""Features: what is extracted from a clip once and kept, so that scoring it again, or otherwise, costs nothing.

    key = hash(name, version, model, content of what it reads)

Preparing (decoding, cropping, resampling) is work for the CPU and may run ahead; a model, if there is one, then runs on
its device. One model is resident at a time.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unison_core.evaluation.item import Item
from unison_core.evaluation.media import Media

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Published weights of a model.

    Attributes:
        id: Hub id `owner/name[@revision]`, or the file's name where they are published elsewhere.
        licence: as their publisher states it.
        url: where they are, if not on the Hub.
        size: of the download, in words.
        patterns: files of the Hub repository that are needed; empty is all.
    """

    id: str
    licence: str
    url: str = ""
    size: str = ""
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Model:
    """How a network is loaded.

    Attributes:
        name: names it in keys.
        weights: what must be there.
        load: makes the network from the weights' paths by id, on a device.
    """

    name: str
    weights: tuple[Weights, ...]
    load: Callable[[Mapping[str, Path], torch.device], Any]


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What `prepare` may return where a clip needs no model after all: the arrays themselves."""

    arrays: Arrays


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Something that is extracted of an item.

    Attributes:
        name: key in the features that a metric gets.
        reads: kinds of files and texts (`item.py`) that it depends on; a file that the item lacks counts as absent.
        prepare: on the CPU, what the model takes (or `Ready`); without a model, the arrays themselves.
        after: a feature that is extracted before; `prepare` finds its arrays in `media.earlier`.
        model: the network, if there is one. infer: arrays from what was prepared.
        version: raised when the arrays change their meaning.
    """

    name: str
    reads: tuple[str, ...]
    prepare: Callable[[Media], Any]
    model: Model | None = None
    infer: Callable[[Any, Any], Arrays] | None = None
    after: "Feature | None" = None
    version: int = 1

    @property
    def identity(self) -> str:
        """Name, version and model."""
        before = f"{self.after.identity}>" if self.after else ""
        return f"{before}{self.name}/{self.version}" + (f"@{self.model.name}" if self.model else "")

    def key(self, item: Item) -> str:
        """Where the feature of `item` is kept."""
        reads = dict.fromkeys((*(self.after.reads if self.after else ()), *self.reads))
        parts = [item.content(kind) for kind in reads if item.lacks(kind) is None]
        return f"{self.name}-{hashlib.sha256(' '.join([self.identity, *parts]).encode()).hexdigest()[:24]}"


class FeatureCache:
    """Arrays on disk, one `.npz` a feature; written under another name first, so that a kill leaves no half of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays under `key`; None where there are none, or where the file was damaged."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                return dict(file)
        except (OSError, ValueError, EOFError, KeyError):
            return None
        except Exception as error:  # zipfile has its own for a torn archive
            if type(error).__name__ == "BadZipFile":
                return None
            raise

    def put(self, key: str, arrays: Arrays) -> None:
        """Keep arrays."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        with part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        part.replace(path)

    def _path(self, key: str) -> Path:
        return self.folder / key[-2:] / f"{key}.npz"
