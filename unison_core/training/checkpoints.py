"""A run's checkpoints: folders that appear whole or not at all, are verified before use, and never cost an older one.

    checkpoints/step-00001200/state.pt                      what all processes share, written by the main one
                              process-00000-of-00002.pt     what each has for itself
                              manifest.json                 step, figures, size and SHA-256 of every file

A folder is filled under a hidden name, flushed to the disk and renamed; the oldest are deleted afterwards.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from unison_core.errors import UnisonError, one_line
from unison_core.weights.checksums import sha256

MANIFEST = "manifest.json"
STATE = "state.pt"
NAME = re.compile(r"^step-(\d{8,})$")
ROOM = 1.05
"""Free space that a checkpoint must find before it is written, as a share of the last one's size."""


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint on the disk."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return int(self.manifest["step"])

    @property
    def processes(self) -> int:
        """How many processes wrote it."""
        return int(self.manifest["processes"])

    def state(self) -> Any:
        """What all processes share; tensors are mapped from the file, on the CPU."""
        return torch.load(self.folder / STATE, map_location="cpu", weights_only=True, mmap=True)

    def own(self, process: int, processes: int) -> Any:
        """What process `process` of `processes` wrote for itself; None where another number of them did."""
        file = self.folder / process_file(process, processes)
        return torch.load(file, map_location="cpu", weights_only=True) if file.is_file() else None


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: holds them; created by the first save.
        keep: how many of the newest stay, beside the best.
        tell: where warnings go; stderr by default.
    """

    def __init__(self, folder: Path, *, keep: int = 2, tell: Callable[[str], None] | None = None) -> None:
        if keep < 1:
            raise ValueError(f"keep={keep} must be at least 1")
        self.folder, self.keep = folder, keep
        self._tell = tell or (lambda text: print(text, file=sys.stderr))

    def clear_partial(self) -> None:
        """Remove what a kill in the middle of a save or of a removal left; for the main process."""
        for folder in self.folder.glob(".step-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def latest(self) -> Checkpoint | None:
        """The newest checkpoint whose files are what its manifest says; None in a new run.

        Raises:
            UnisonError: there are checkpoints, and every one of them is damaged.
        """
        folders = self.folders()
        for folder in reversed(folders):
            found = verify(folder)
            if isinstance(found, Checkpoint):
                return found
            self._tell(f"warning: {folder} is damaged ({found}): going on from an older one")
        if folders:
            raise UnisonError(f"no checkpoint in {self.folder} is whole; move the folder away to start anew")
        return None

    def at(self, step: int) -> Checkpoint:
        """The checkpoint of a step, unverified: another process has looked."""
        folder = self.folder / f"step-{step:08d}"
        return Checkpoint(folder, json.loads((folder / MANIFEST).read_text(encoding="utf-8")))

    def save(
        self, step: int, processes: int, state: Any, own: Callable[[Path], None], meet: Callable[[], None], *,
        main: bool, figures: Mapping[str, float] | None = None,
    ) -> bool:  # fmt: skip
        """Write a checkpoint; every process calls this at the same step.

        Args:
            step: optimizer steps taken.
            processes: how many there are.
            state: what `Checkpoint.state` gives back; the main process's counts.
            own: writes this process's own file into the folder that it is given.
            meet: a barrier.
            main: whether this is the main process.
            figures: held-out figures; `loss` decides which checkpoint is the best.

        Returns:
            Whether it was written; always True but in the main process. A full or broken disk is told of, and costs
            no older checkpoint.
        """
        partial = self.folder / f".step-{step:08d}.partial"
        failure: Exception | None = None
        if main:
            try:
                self._make_room(partial)
                _write(partial / STATE, state)
            except (OSError, RuntimeError) as error:  # torch.save reports a full disk as a RuntimeError
                failure = error
        meet()
        try:
            if partial.is_dir():
                own(partial)
        except (OSError, RuntimeError) as error:
            failure = failure or error
        meet()
        if main:
            try:
                if failure is not None:
                    raise failure
                self._finish(partial, step, processes, figures or {})
            except (OSError, RuntimeError) as error:
                shutil.rmtree(partial, ignore_errors=True)
                cause = one_line(error)
                self._tell(f"warning: no checkpoint at step {step} ({cause}); the previous one stays")
                return False
            self._prune()
        return True

    def folders(self) -> list[Path]:
        """Checkpoints, oldest first."""
        found = (folder for folder in self.folder.glob("step-*") if NAME.match(folder.name))
        return sorted(found, key=lambda folder: int(folder.name[5:]))

    def best(self) -> Path | None:
        """The checkpoint of the lowest held-out loss."""
        losses = {folder: loss for folder in self.folders() if (loss := _loss(folder)) is not None}
        return min(losses, key=lambda folder: losses[folder]) if losses else None

    def _make_room(self, partial: Path) -> None:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        folders = self.folders()
        if folders:
            size = sum(file.stat().st_size for file in folders[-1].iterdir())
            free = shutil.disk_usage(partial).free
            if free < size * ROOM:
                raise OSError(f"{free / 1e9:.2f} GB are free, {size * ROOM / 1e9:.2f} GB are needed")

    def _finish(self, partial: Path, step: int, processes: int, figures: Mapping[str, float]) -> None:
        names = [STATE, *(process_file(i, processes) for i in range(processes))]
        files = {name: {"bytes": (partial / name).stat().st_size, "sha256": sha256(partial / name)} for name in names}
        manifest = {"format": 1, "step": step, "processes": processes, "figures": dict(figures), "files": files}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        for file in partial.iterdir():
            _flush(file)
        _flush(partial)
        final = self.folder / f"step-{step:08d}"
        if final.exists():  # damaged, or of the same step before a resume
            self._remove(final)
        os.replace(partial, final)
        _flush(self.folder)

    def _prune(self) -> None:
        spared = {*self.folders()[-self.keep :], self.best()}
        for folder in self.folders():
            if folder not in spared:
                self._remove(folder)

    def _remove(self, folder: Path) -> None:
        """A kill in the middle leaves a hidden folder, not half a checkpoint."""
        hidden = folder.with_name(f".{folder.name}.removed")
        shutil.rmtree(hidden, ignore_errors=True)
        try:
            os.replace(folder, hidden)
        except OSError as error:
            self._tell(f"warning: cannot remove {folder}: {error}")
            return
        shutil.rmtree(hidden, ignore_errors=True)


def process_file(process: int, processes: int) -> str:
    """Name of what a process writes for itself."""
    return f"process-{process:05d}-of-{processes:05d}.pt"


def write_own(folder: Path, process: int, processes: int, state: Any) -> None:
    """Write what `Checkpoint.own` gives back."""
    _write(folder / process_file(process, processes), state)


def verify(folder: Path) -> Checkpoint | str:
    """The checkpoint in `folder`, or what is wrong with it."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name, entry in manifest["files"].items():
            size = (folder / name).stat().st_size
            if size != entry["bytes"]:
                return f"{name} has {size} bytes instead of {entry['bytes']}"
            if sha256(folder / name) != entry["sha256"]:
                return f"{name} has other content than was written"
        return Checkpoint(folder, {**manifest, "step": int(manifest["step"]), "processes": int(manifest["processes"])})
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{MANIFEST} cannot be read: {error}"


def _loss(folder: Path) -> float | None:
    try:
        value = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["figures"].get("loss")
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return None if value is None else float(value)


def _write(path: Path, state: Any) -> None:
    torch.save(state, path)


def _flush(path: Path) -> None:
    """Let the disk have it before the name appears."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

