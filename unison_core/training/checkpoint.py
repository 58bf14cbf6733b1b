"""Exact resume: everything that training changes, in one file that appears whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from unison_core.errors import UnisonError, one_line


class Stateful(Protocol):
    """A model, an optimizer, an EMA, a clock: what can be written down and put back."""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state: Any) -> Any: ...


def save_checkpoint(path: Path, parts: Mapping[str, Stateful], generators: Mapping[str, torch.Generator]) -> None:
    """Write the states of `parts` and random `generators`; a crash in the middle leaves the previous file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    state = {
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "generators": {name: generator.get_state() for name, generator in generators.items()},
    }
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path, parts: Mapping[str, Stateful], generators: Mapping[str, torch.Generator]) -> bool:
    """Put back what `save_checkpoint` wrote; False where there is no checkpoint yet.

    Raises:
        UnisonError: the file is damaged or belongs to another configuration.
    """
    if not path.is_file():
        return False
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
        for name, generator in generators.items():
            generator.set_state(state["generators"][name])
    except Exception as error:  # torch.load fails in many ways on a damaged file
        remedy = "it is damaged or of another configuration; move it away to start anew"
        raise UnisonError(f"cannot resume from {path} ({one_line(error)}): {remedy}") from error
    return True
