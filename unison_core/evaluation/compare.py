"""Two evaluations of the same items against each other: paired differences with intervals.

difference = mean(B) - mean(A) over the clips that both scored,    interval: clips drawn again together
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unison_core.errors import UsageError
from unison_core.evaluation.registry import DOWN, NEITHER, UP, Figure, figures_of, metrics
from unison_core.evaluation.score_log import read_lines
from unison_core.evaluation.statistics import Estimate, paired_difference
from unison_core.evaluation.tables import ARROWS, grid, interval


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A figure of B minus that of A over the clips that both have.

    Attributes:
        figure: which. a, b: means over those clips.
        estimate: the difference with its interval.
        only_a, only_b: clips that one of the two could not score.
    """

    figure: Figure
    a: float
    b: float
    estimate: Estimate
    only_a: int
    only_b: int

    @property
    def verdict(self) -> str:
        """`A` or `B` is better where the interval leaves out 0, otherwise `undecided`; empty for figures only told."""
        low, high = self.estimate.low, self.estimate.high
        if self.figure.better not in (UP, DOWN):
            return ""
        if low is None or high is None or low <= 0 <= high:
            return "undecided"
        return "B" if (low > 0) == (self.figure.better == UP) else "A"

    def to_mapping(self) -> dict[str, Any]:
        """JSON data."""
        return {"figure": self.figure.name, "a": self.a, "b": self.b, "difference": asdict(self.estimate),
                "only_a": self.only_a, "only_b": self.only_b, "better": self.verdict}  # fmt: skip


def compare(a: Path, b: Path) -> list[Difference]:
    """Differences of all figures that both results have.

    Raises:
        UsageError: a folder holds no scores, or the two share no scored clip.
    """
    first, second = _scores(a), _scores(b)
    found = [
        difference
        for name, figure in figures_of(list(metrics().values())).items()
        if name in first and name in second
        for difference in [_difference(figure, first[name], second[name])]
        if difference is not None
    ]
    if not found:
        raise UsageError(f"{a} and {b} share no clip that both scored by the same metric")
    return found


def table(differences: list[Difference], a: str, b: str) -> str:
    """The differences as Markdown."""
    rows = [["figure", f"A: {a}", f"B: {b}", "B - A", "95%", "clips", "better"]]
    for x in differences:
        digits = x.figure.digits + 1
        only = f" (+{x.only_a} only A, +{x.only_b} only B)" if x.only_a or x.only_b else ""
        rows.append([f"{x.figure.name} {ARROWS[x.figure.better]}".strip(), f"{x.a:.{digits}f}", f"{x.b:.{digits}f}",
                     f"{x.estimate.mean:+.{digits}f}", interval(x.estimate, x.figure),
                     f"{x.estimate.count}{only}", x.verdict if x.figure.better != NEITHER else ""])  # fmt: skip
    return grid(rows)


def _difference(
    figure: Figure, a: Mapping[str, tuple[float, float]], b: Mapping[str, tuple[float, float]]
) -> Difference | None:
    both = sorted(a.keys() & b.keys())
    if not both:
        return None
    (x, u), (y, v) = (([side[i][0] for i in both], [side[i][1] for i in both]) for side in (a, b))
    if not figure.pooled:
        u = v = [1.0] * len(both)
    found = paired_difference(x, y, u, v)
    means = [sum(p * q for p, q in zip(z, w, strict=True)) / sum(w) for z, w in ((x, u), (y, v))]
    return Difference(figure=figure, a=means[0], b=means[1], estimate=found,
                      only_a=len(a) - len(both), only_b=len(b) - len(both))  # fmt: skip


def _scores(folder: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """Value and weight by figure and item: the latest line of each, of the items that the summary lists."""
    lines = read_lines(folder) if folder.is_dir() else {}
    ids = _listed(folder / "summary.json")
    lines = {key: line for key, line in lines.items() if ids is None or line.item in ids}
    if not lines:
        raise UsageError(f"{folder} holds no scores.jsonl: name the folders that `unison eval` wrote")
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for line in lines.values():
        for name, value in line.values.items():
            found.setdefault(name, {})[line.item] = (value, line.weights.get(name, 1.0))
    return found


def _listed(summary: Path) -> set[str] | None:
    """Ids of the last summary; None where there is none yet."""
    try:
        return set(json.loads(summary.read_text(encoding="utf-8"))["ids"])
    except (OSError, ValueError, KeyError):
        return None
