"""From features of a clip to its line in the log: figures, or the reason why there are none."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import REFERENCE, Item
from unison_core.evaluation.registry import Metric, Score, Unscored
from unison_core.evaluation.score_log import ScoreLine, score_key


def needed(metric: Metric) -> list[tuple[str, Feature]]:
    """Features of the clip and of its reference, with their prefix."""
    return [("", f) for f in metric.features] + [(REFERENCE, f) for f in metric.reference_features]


def feature_key(feature: Feature, item: Item) -> str:
    """Where a feature is kept; raises Unscored where a file that it reads is gone."""
    try:
        return feature.key(item)
    except OSError as error:
        raise Unscored(f"there is no file {Path(error.filename).name}") from error


def lacking(item: Item, metric: Metric) -> str | None:
    """Why the metric cannot be applied to the clip; None where it can be."""
    return next((why for need in metric.needs if (why := item.lacks(need)) is not None), None)


def score_line(
    item: Item, metric: Metric, features: Callable[[Item, Metric], Mapping[str, Mapping[str, np.ndarray]]]
) -> ScoreLine:
    """The line of one clip and metric; whatever goes wrong is its reason."""
    try:
        found = features(item, metric)
        score = metric.score(item, found) if metric.score else Score(values={})
    except Unscored as why:
        return skip_line(item, metric, why)
    except Exception as error:  # a fault in one metric is no figure, and never ends the run
        return skip_line(item, metric, Unscored(f"{type(error).__name__}: {error}"[:200]))
    if bad := [name for name, value in score.values.items() if not math.isfinite(value)]:
        return skip_line(item, metric, Unscored(f"{bad[0]} is no number"))
    return ScoreLine(
        item=item.id, metric=metric.name, key=score_key(item, metric),
        values={name: float(value) for name, value in score.values.items()},
        weights={name: float(value) for name, value in (score.weights or {}).items()},
        missing=score.missing or {}, notes=score.notes or {},
    )  # fmt: skip


def skip_line(item: Item, metric: Metric, why: Unscored) -> ScoreLine:
    """The line of a clip that has no figure."""
    return ScoreLine(
        item=item.id, metric=metric.name, key=score_key(item, metric), skipped=why.reason, expected=why.expected
    )
