"""From scores of clips to figures of a set: mean, interval, coverage, and why clips are missing.

A figure is never a guess: where no clip was scored it is null, with the reasons and how many clips have each.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from unison_core.evaluation.item import Item
from unison_core.evaluation.registry import Figure, Metric, SetScore
from unison_core.evaluation.score_log import ScoreLine, ScoreLog
from unison_core.evaluation.statistics import Estimate, estimate

FORMAT = 1
NOT_RUN = "not scored yet"


@dataclass(frozen=True, kw_only=True)
class FigureSummary:
    """One figure over a set.

    Attributes:
        figure: which. metric: that gives it.
        overall: mean and interval; None where no clip was scored. by_kind: likewise by subset.
        skipped: clips without the figure by reason. faults: reasons where something is wrong.
        unexpected: how many clips something is wrong with.
        values: figures by item. weights: of pooled figures.
    """

    figure: Figure
    metric: str
    overall: Estimate | None
    by_kind: Mapping[str, Estimate]
    skipped: Mapping[str, int]
    faults: frozenset[str]
    unexpected: int
    values: Mapping[str, float]
    weights: Mapping[str, float]

    def to_mapping(self) -> dict[str, Any]:
        """JSON data."""
        found = asdict(self.overall) if self.overall else dict.fromkeys(("mean", "median", "low", "high"))
        found.pop("count", None)
        return {
            "metric": self.metric, "about": self.figure.about, "better": self.figure.better, **found,
            "n_scored": self.overall.count if self.overall else 0, "n_skipped": sum(self.skipped.values()),
            "n_unexpected": self.unexpected, "skipped": dict(self.skipped),
            "by_kind": {kind: asdict(found) for kind, found in self.by_kind.items()},
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A whole evaluation."""

    items: Sequence[Item]
    figures: Mapping[str, FigureSummary]
    set_figures: Mapping[str, SetScore] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    """Scores that are missing though something should have been scored, by reason."""
    notes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Words that belong to the figures, such as what was heard, by item."""
    about: Mapping[str, Any] = field(default_factory=dict)

    def to_mapping(self) -> dict[str, Any]:
        """JSON data."""
        return {
            "format": FORMAT, "created": datetime.now(UTC).isoformat(timespec="seconds"), **self.about,
            "faults": dict(self.faults), "items": len(self.items), "ids": [item.id for item in self.items],
            "kinds": dict(Counter(item.kind or "all" for item in self.items)),
            "figures": {name: found.to_mapping() for name, found in self.figures.items()},
            "set_figures": {name: asdict(found) for name, found in self.set_figures.items()},
        }  # fmt: skip


def summarise(
    items: Sequence[Item],
    chosen: Sequence[Metric],
    log: ScoreLog,
    set_figures: Mapping[str, SetScore] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Summary:
    """Put the scores of `items` together; the order of clips does not matter."""
    figures: dict[str, FigureSummary] = {}
    faults: Counter[str] = Counter()
    notes: dict[str, dict[str, str]] = {}
    for metric in chosen:
        lines = {item.id: log.find(item, metric) for item in items}
        for line in lines.values():
            if line is None or (line.skipped is not None and not line.expected):
                faults[(line.skipped if line else None) or NOT_RUN] += 1
            if line is not None and line.notes:
                notes.setdefault(line.item, {}).update(line.notes)
        for figure in metric.figures:
            figures[figure.name] = _figure(figure, metric, items, lines)
    return Summary(
        items=items, figures=figures, set_figures=set_figures or {}, faults=dict(faults.most_common()), notes=notes,
        about=about or {},
    )  # fmt: skip


def _figure(
    figure: Figure, metric: Metric, items: Sequence[Item], lines: Mapping[str, ScoreLine | None]
) -> FigureSummary:
    values, weights = {}, {}
    skipped: Counter[str] = Counter()
    unexpected = 0
    faults = set()
    for item in items:
        line = lines[item.id]
        if line is not None and figure.name in line.values:
            values[item.id] = line.values[figure.name]
            weights[item.id] = line.weights.get(figure.name, 1.0)
            continue
        reason = NOT_RUN if line is None else line.skipped or line.missing.get(figure.name, "undefined for this clip")
        skipped[reason] += 1
        if line is None or (line.skipped is not None and not line.expected):
            unexpected += 1
            faults.add(reason)
    kinds = {item.kind for item in items if item.kind}
    by_kind = {kind: [item.id for item in items if item.kind == kind and item.id in values] for kind in sorted(kinds)}
    return FigureSummary(
        figure=figure, metric=metric.name, overall=_estimate(list(values), values, weights, figure),
        by_kind={kind: found for kind, ids in by_kind.items() if (found := _estimate(ids, values, weights, figure))},
        skipped=dict(skipped.most_common()), faults=frozenset(faults), unexpected=unexpected,
        values=values, weights=weights,
    )  # fmt: skip


def _estimate(
    ids: Sequence[str], values: Mapping[str, float], weights: Mapping[str, float], figure: Figure
) -> Estimate | None:
    ids = sorted(ids)  # the draws of the bootstrap follow the order
    if not ids or sum(weights[i] for i in ids) <= 0:
        return None
    return estimate([values[i] for i in ids], [weights[i] for i in ids] if figure.pooled else None)
