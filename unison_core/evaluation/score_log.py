"""Scores on disk as they come: a JSON line for every clip and metric, so that a run that was stopped goes on.

    {item, metric, key, values, weights, missing, notes}  or  {item, metric, key, values: null, skipped, expected}

A line counts while its key (of the clip, what was asked for, the metric and its models) still fits. The last line
may be torn; of two lines for the same clip and metric the later one counts. Several processes write a file each.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unison_core.evaluation.item import Item
from unison_core.evaluation.registry import Metric

SCORES = "scores.jsonl"


@dataclass(frozen=True, kw_only=True)
class ScoreLine:
    """What became of one clip under one metric.

    Attributes:
        item, metric: names. key: of all that the score depends on.
        values: figures by name; empty where the clip was skipped. weights: of pooled figures.
        missing: why some figures have no value though others do. notes: words that belong to the figures.
        skipped: why there are no figures. expected: nothing is wrong with that.
    """

    item: str
    metric: str
    key: str
    values: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    skipped: str | None = None
    expected: bool = False

    def to_mapping(self) -> dict[str, Any]:
        """JSON data, without what is empty."""
        data: dict[str, Any] = {"item": self.item, "metric": self.metric, "key": self.key}
        if self.skipped is not None:
            return {**data, "values": None, "skipped": self.skipped, "expected": self.expected}
        data["values"] = dict(self.values)
        return data | {name: dict(value) for name in ("weights", "missing", "notes") if (value := getattr(self, name))}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "ScoreLine":
        """From JSON data; raises KeyError or TypeError where it is something else."""
        return cls(
            item=data["item"], metric=data["metric"], key=data["key"], values=data["values"] or {},
            weights=data.get("weights", {}), missing=data.get("missing", {}), notes=data.get("notes", {}),
            skipped=data.get("skipped"), expected=data.get("expected", False),
        )  # fmt: skip


def score_key(item: Item, metric: Metric) -> str:
    """What a stored score must have been made from to count."""
    return f"{item.fingerprint} {metric.identity}"


def read_lines(folder: Path) -> dict[tuple[str, str], ScoreLine]:
    """The latest score of every item and metric that the folder's files hold; torn lines are passed over."""
    found = {}
    for path in sorted(folder.glob("scores*.jsonl")):
        for line in path.read_bytes().splitlines():
            try:
                score = ScoreLine.from_mapping(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            found[score.item, score.metric] = score
    return found


class ScoreLog:
    """Scores by item and metric, in `folder/scores*.jsonl`; this process appends to one of these files.

    Args:
        folder: of the results.
        rank: number of this process; each appends to a file of its own.
    """

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self.folder = folder
        self.path = folder / (SCORES if rank == 0 else f"scores.{rank}.jsonl")
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = read_lines(folder)
        self._mend()

    def reload(self) -> None:
        """Read what all processes have written."""
        self._lines = read_lines(self.folder)

    def find(self, item: Item, metric: Metric) -> ScoreLine | None:
        """The score of `item`, unless it was made from something else."""
        line = self._lines.get((item.id, metric.name))
        return line if line is not None and line.key == score_key(item, metric) else None

    def add(self, line: ScoreLine) -> None:
        """Remember a score, in memory and on disk."""
        self._lines[line.item, line.metric] = line
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line.to_mapping(), ensure_ascii=False, allow_nan=False) + "\n")

    def _mend(self) -> None:
        """End a torn last line, so that the next one starts on its own."""
        if self.path.is_file() and (text := self.path.read_bytes()) and not text.endswith(b"\n"):
            with self.path.open("ab") as file:
                file.write(b"\n")
