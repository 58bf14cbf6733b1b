"""Scores many clips by many metrics: features first, each once and one model at a time, then figures from them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from unison_core.evaluation.feature import FeatureCache
from unison_core.evaluation.item import SILENT, Item
from unison_core.evaluation.model_runs import gathered, models_after, models_of, run_model
from unison_core.evaluation.registry import Metric, SetScore, Unscored
from unison_core.evaluation.score_log import ScoreLine, ScoreLog
from unison_core.evaluation.scoring import lacking, score_line, skip_line
from unison_core.evaluation.weight_free import score_free
from unison_core.evaluation.weights import WeightStore

FEATURES = "features"
EXTRAS = {"timm": "pe-av"}
"""Extras that bring a module, where it is not `eval`."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an evaluation runs.

    Attributes:
        out: folder of the scores. cache: folder of the features; None keeps them in `out`.
        jobs: processes for what needs no model; 0 works in this one.
        device: of models.
        explicit: the metrics were named one by one: what a clip lacks for one is then told of as a fault.
        store: where weights are.
        rank, world: number of this process and how many share the work.
    """

    out: Path
    cache: Path | None = None
    jobs: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    explicit: bool = False
    store: WeightStore = field(default_factory=WeightStore)
    rank: int = 0
    world: int = 1

    @property
    def features(self) -> Path:
        """Folder of the features."""
        return self.cache or self.out / FEATURES


def evaluate(
    items: Sequence[Item],
    chosen: Sequence[Metric],
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
) -> ScoreLog:
    """Score this process' share of `items` by `chosen`, going on where a run before stopped."""
    log = ScoreLog(settings.out, settings.rank)
    mine = items[settings.rank :: settings.world]
    missing = {m.name: why for m in chosen if (why := unavailable(m)) is not None}
    work: list[tuple[Item, Metric]] = []
    total = done = 0
    for item in mine:
        for metric in chosen:
            total += 1
            line = log.find(item, metric)
            impossible = None
            if metric.name in missing:
                impossible = Unscored(missing[metric.name])
            elif why := lacking(item, metric):
                impossible = Unscored(why, expected=why == SILENT or not settings.explicit)
            if impossible is not None:
                if line != (skip := skip_line(item, metric, impossible)):
                    log.add(skip)
                done += 1
            elif line is not None and (line.skipped is None or line.expected):
                done += 1
            else:
                work.append((item, metric))
    report = progress or (lambda done, total: None)
    report(done, total)
    for line in _score_all(work, settings):
        log.add(line)
        done += 1
        report(done, total)
    return log


def unavailable(metric: Metric) -> str | None:
    """Which module of an extra is missing for `metric`; None where all are there."""
    from importlib.util import find_spec

    absent = [name for name in metric.modules if find_spec(name) is None]
    extra = EXTRAS.get(absent[0], "eval") if absent else ""
    return f"{absent[0]} is not installed: pip install -e '.[{extra}]'" if absent else None


def set_scores(items: Sequence[Item], metric: Metric, settings: Settings) -> Mapping[str, SetScore]:
    """Figures of the whole set, from the features of all clips that have them; never starts a model."""
    assert metric.over_set is not None
    cache = FeatureCache(settings.features)
    found, features = [], []
    for item in items:
        if lacking(item, metric) is None:
            try:
                features.append(gathered(item, metric, cache, {}))
            except (Unscored, KeyError, OSError):
                continue
            found.append(item)
    return metric.over_set(found, features) if found else {}


def _score_all(work: list[tuple[Item, Metric]], settings: Settings) -> Iterator[ScoreLine]:
    """Lines for all the work: weight-free metrics first, then by model."""
    free = [(item, metric) for item, metric in work if not metric.weights]
    yield from score_free(free, settings.features, settings.jobs)
    learned = [(item, metric) for item, metric in work if metric.weights]
    cache = FeatureCache(settings.features)
    failed: dict[str, Unscored] = {}
    waiting = list(learned)
    for model in models_of(learned):
        run_model(model, learned, cache, failed, settings.store, settings.device)
        later = {m.name for m in models_after(waiting, model)}
        ready = [pair for pair in waiting if not later & {x.name for x in models_of([pair])}]
        waiting = [pair for pair in waiting if pair not in ready]
        for item, metric in ready:
            yield score_line(item, metric, lambda i, m: gathered(i, m, cache, failed))
