"""Repeat a recorded run and say what came out the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unison_core.pipelines.generation import Generation


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


def compare(record: Mapping[str, Any], generation: Generation) -> Comparison:
    """Compare a new generation with the record that it repeats."""
    old, new = record.get("sha256", {}), generation.metadata["sha256"]
    names = [name for name in new if name in old]
    return Comparison(
        same=tuple(name for name in names if old[name] == new[name]),
        different=tuple(name for name in names if old[name] != new[name]),
        changed=tuple(_changes(record, generation.metadata)),
    )


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    changes = []
    if old.get("model", {}).get("sha256") != new["model"]["sha256"]:
        changes.append("weights: the files' hashes differ")
    for group in ("run", "versions"):
        for key, value in new[group].items():
            before = old.get(group, {}).get(key)
            if before != value:
                changes.append(f"{key}: {before} then, {value} now")
    return changes
