"""What a metric is, and which there are: every file of `metrics/` declares one as `METRIC`, and adding one is one file.

A metric turns features of a clip into figures. Features (`feature.py`) are what costs time: they are extracted once,
kept by the content of what they were made from, and shared by the metrics that name them.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from unison_core.errors import UsageError

if TYPE_CHECKING:
    from unison_core.evaluation.feature import Feature, Weights
    from unison_core.evaluation.item import Item

UP, DOWN, ZERO, NEITHER = "higher", "lower", "nearer to 0", "told only"
"""Which way is better."""
WEIGHT_FREE, ALL = "weight-free", "all"


class Unscored(Exception):
    """A clip has no figure, for a reason; `expected` where nothing is wrong with that (nobody should speak)."""

    def __init__(self, reason: str, *, expected: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.expected = reason, expected


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number that a metric gives for a clip.

    Attributes:
        name: key in the results.
        about: what it says, with its unit.
        better: UP, DOWN, ZERO or NEITHER.
        digits: decimals in tables.
        pooled: clips count by their weight, as words do in a corpus' word error rate.
    """

    name: str
    about: str
    better: str = NEITHER
    digits: int = 2
    pooled: bool = False

    def key(self, value: float) -> float:
        """Sorts values from best to worst."""
        return {UP: -value, DOWN: value, ZERO: abs(value), NEITHER: value}[self.better]


Array = np.ndarray
Features = Mapping[str, Mapping[str, Array]]
"""Arrays by feature and name; a reference's features are under `reference NAME`."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Figures of one clip: a value by name, and its weight where the figure is pooled."""

    values: Mapping[str, float]
    weights: Mapping[str, float] | None = None
    missing: Mapping[str, str] | None = None
    """Why a figure of the metric is not among the values though others are."""
    notes: Mapping[str, str] | None = None
    """Words that belong to the figures, such as what was heard."""


@dataclass(frozen=True, kw_only=True)
class SetScore:
    """A figure of the whole set, with its 95% interval where one can be had, over `count` clips."""

    value: float | None
    count: int
    low: float | None = None
    high: float | None = None
    reason: str = ""
    """Why there is no value."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One way of judging clips.

    Attributes:
        name: as `--metrics` takes it.
        about: what is measured, in a line.
        source: paper or standard, and how we differ from it.
        figures: of a clip. set_figures: of a whole set.
        needs: files and knowledge (`item.py`) without which there is no figure.
        features: what is extracted of the clip. reference_features: of its reference.
        score: figures of one clip from its features. over_set: figures of many clips from theirs, by item id.
        built: False where only the protocol stands here: no figure is ever given.
        default: belongs to the weight-free set that runs when nothing is asked for.
        modules: Python modules of an extra that it needs.
        licence: of weights that are not a feature's own.
        version: raised when figures change their meaning.
    """

    name: str
    about: str
    source: str
    figures: tuple[Figure, ...] = ()
    set_figures: tuple[Figure, ...] = ()
    needs: tuple[str, ...] = ()
    features: tuple["Feature", ...] = ()
    reference_features: tuple["Feature", ...] = ()
    score: Callable[["Item", Features], Score] | None = None
    over_set: Callable[[Sequence["Item"], Sequence[Features]], Mapping[str, SetScore]] | None = None
    built: bool = True
    default: bool = False
    modules: tuple[str, ...] = ()
    weights_note: str = ""
    licence: str = ""
    version: int = 1

    @property
    def weights(self) -> tuple["Weights", ...]:
        """Weights of all its features' models."""
        models = [f.model for f in (*self.features, *self.reference_features) if f.model is not None]
        return tuple(dict.fromkeys(weights for model in models for weights in model.weights))

    @property
    def learned(self) -> bool:
        """Needs weights that are not in the package."""
        return bool(self.weights) or bool(self.weights_note)

    @property
    def identity(self) -> str:
        """What a stored score depends on, besides the item."""
        features = (*self.features, *self.reference_features)
        return f"{self.name}/{self.version} " + " ".join(f.identity for f in features)


@cache
def metrics() -> Mapping[str, Metric]:
    """All metrics by name: weight-free ones first, then learned ones, then those that are not built."""
    from unison_core.evaluation import metrics as package

    found = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        metric = getattr(importlib.import_module(f"{package.__name__}.{module}"), "METRIC", None)
        if isinstance(metric, Metric):
            if metric.name in found:
                raise ValueError(f"two metrics are called {metric.name}")
            found[metric.name] = metric
    return dict(sorted(found.items(), key=lambda pair: (not pair[1].built, pair[1].learned, pair[0])))


def figures_of(chosen: Sequence[Metric]) -> dict[str, Figure]:
    """Figures by name."""
    return {f.name: f for metric in chosen for f in (*metric.figures, *metric.set_figures)}


def select(names: Sequence[str] | None) -> tuple[list[Metric], bool]:
    """Metrics by name, and whether they were asked for one by one.

    Args:
        names: metrics or figures; `weight-free` (as None) is the default set and `all` everything that is built.

    Raises:
        UsageError: a name is unknown, or its metric is not built.
    """
    known = metrics()
    by_figure = {f: metric for metric in known.values() for f in figures_of([metric])}
    chosen: dict[str, Metric] = {}
    explicit = False
    for name in names or [WEIGHT_FREE]:
        if name in (WEIGHT_FREE, ALL):
            wanted = [m for m in known.values() if m.built and (m.default or name == ALL)]
        elif metric := known.get(name) or by_figure.get(name):
            if not metric.built:
                raise UsageError(f"metric {name} is not built: only its protocol stands in the list (--list)")
            wanted, explicit = [metric], True
        else:
            raise UsageError(f"unknown metric {name!r}; there are: {', '.join(known)} (unison eval --list)")
        chosen |= {metric.name: metric for metric in wanted}
    return list(chosen.values()), explicit
