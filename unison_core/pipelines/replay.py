"""Repeat a recorded run and say what came out the same."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from unison_core.errors import UsageError
from unison_core.pipelines.batch import Item
from unison_core.pipelines.record import read_record, request_from
from unison_core.pipelines.request import GenerateRequest
from unison_core.pipelines.runs import Run, Watcher, generate_one
from unison_core.weights.checksums import sha256


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A repeated run against its record.

    Attributes:
        same: parts (latents by stream, frames, speech, sfx, mix) whose data are identical to the bit.
        different: parts whose data are not.
        changed: what differs in the circumstances: weights, versions, device, precision, threads.
    """

    same: tuple[str, ...]
    different: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Every part is the same to the bit."""
        return not self.different


def compare(record: Mapping[str, Any], repeated: Mapping[str, Any]) -> Comparison:
    """Compare the record of a repeated run with the one that it repeats."""
    old, new = record.get("sha256", {}), repeated["sha256"]
    names = [name for name in new if name in old]
    return Comparison(
        same=tuple(name for name in names if old[name] == new[name]),
        different=tuple(name for name in names if old[name] != new[name]),
        changed=tuple(_changes(record, repeated)),
    )


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    changes = []
    if old.get("model", {}).get("sha256") != new["model"]["sha256"]:
        changes.append("weights: the files' hashes differ")
    if _adapters(old) != _adapters(new):
        changes.append("weights: the adapters differ")
    for group in ("run", "versions"):
        for key, value in new[group].items():
            before = old.get(group, {}).get(key)
            if before != value:
                changes.append(f"{key}: {before} then, {value} now")
    return changes


def _adapters(record: Mapping[str, Any]) -> list[tuple[object, object]]:
    return [(one["sha256"], one["scale"]) for one in record.get("model", {}).get("loras", ())]


def with_inputs(request: GenerateRequest, record: Mapping[str, Any], moved: Mapping[str, str]) -> GenerateRequest:
    """The request with files that were moved, all of them checked against the record's hashes.

    Raises:
        UsageError: a file is not there, or is not the one that the clip was made from.
    """
    files = request.given.files
    if unknown := sorted(moved.keys() - files.keys()):
        known = ", ".join(files) or "none"
        raise UsageError(f"input {unknown[0]!r}: the clip was made from no such file; there are: {known}")
    paths: dict[str, Any] = dict(moved)
    request = replace(request, given=replace(request.given, **paths))
    for name, path in request.given.files.items():
        if not path.is_file():
            raise UsageError(f"{name} {path} is not here: say where it is with --input {name}=FILE")
        if sha256(path) != record.get("inputs", {}).get(name, {}).get("sha256"):
            raise UsageError(f"{name} {path} is not the file that the clip was made from")
    return request


def replay_record(
    path: Path,
    out: Path | None,
    watcher: Watcher,
    *,
    model: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    inputs: Mapping[str, str] | None = None,
    offline: bool = False,
    overwrite: bool = False,
    preview: bool = False,
) -> tuple[Item, Comparison]:
    """Repeat the run that a record tells of, with as many threads as it had.

    Args:
        path: `unison.json`, the mp4 that carries it, or the output folder.
        out: where the new clip goes; None makes `outputs/<time>-<slug>`.
        watcher: is told how it goes.
        model, device, precision: instead of the record's.
        inputs: where files that the clip was made from are now, by what they are.
        offline, overwrite, preview: as in `Run`.

    Raises:
        UsageError: no record, or one of another kind.
    """
    record = read_record(path)
    request = with_inputs(request_from(record, str(path)), record, inputs or {})
    try:
        revision, name, then = record["model"]["revision"], record["model"]["name"], record["run"]
        run = Run(
            model=model or (f"{name.partition('@')[0]}@{revision}" if revision else name),
            device=device or then["device"],
            precision=precision or then["precision"],
            offline=offline, overwrite=overwrite, preview=preview, fp8=bool(then.get("fp8")),
            loras=tuple(f"{one['file']}:{one['scale']}" for one in record["model"].get("loras", ())),
        )  # fmt: skip
        threads = int(then["threads"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"record {path} lacks {error}: it was cut or written by something else") from error
    if run.device == "cpu" and threads > 0:
        torch.set_num_threads(threads)  # sums are rounded by how they are split
    item = generate_one(request, run, out, watcher)
    assert item.record is not None
    return item, compare(record, item.record)
