"""Scores many clips by many metrics: features first, each once and one model at a time, then figures from them.

What needs no model runs clip by clip in several processes, each of which decodes a clip once for all its features. What
needs a model runs model by model over all clips, while a thread prepares the next ones.
"""

import gc
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unison_core.errors import UnisonError
from unison_core.evaluation.feature import Feature, FeatureCache, Model, Ready
from unison_core.evaluation.item import REFERENCE, SILENT, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import Metric, Score, Unscored
from unison_core.evaluation.score_log import ScoreLine, ScoreLog, score_key
from unison_core.evaluation.weights import WeightStore

FEATURES = "features"
AHEAD = 3
"""Clips that are prepared while the model works on one."""


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
            elif why := _lacking(item, metric):
                impossible = Unscored(why, expected=why == SILENT or not settings.explicit)
            if impossible is not None:
                if line != (skip := _skip(item, metric, impossible)):
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
    return f"{absent[0]} is not installed: pip install -e '.[eval]'" if absent else None


def set_scores(items: Sequence[Item], metric: Metric, settings: Settings) -> Mapping[str, Any]:
    """Figures of the whole set, from the features of all clips that have them; never starts a model."""
    assert metric.over_set is not None
    cache = FeatureCache(settings.features)
    found, features = [], []
    for item in items:
        if _lacking(item, metric) is None:
            try:
                features.append(_stored(item, metric, cache))
            except (Unscored, KeyError, OSError):
                continue
            found.append(item)
    return metric.over_set(found, features) if found else {}


def _score_all(work: list[tuple[Item, Metric]], settings: Settings) -> Iterator[ScoreLine]:
    """Lines for all the work: weight-free metrics first, then by model."""
    free = [(item, metric) for item, metric in work if not metric.weights]
    yield from _score_free(free, settings)
    learned = [(item, metric) for item, metric in work if metric.weights]
    cache = FeatureCache(settings.features)
    failed: dict[str, Unscored] = {}
    waiting = list(learned)
    for model in _models(learned):
        _run_model(model, learned, cache, failed, settings)
        later = {m.name for m in _models_left(waiting, model)}
        ready = [(item, metric) for item, metric in waiting if not later & {x.name for x in _models([(item, metric)])}]
        waiting = [pair for pair in waiting if pair not in ready]
        for item, metric in ready:
            yield _score(item, metric, lambda i, m: _gathered(i, m, cache, failed))


def _models(work: Sequence[tuple[Item, Metric]]) -> list[Model]:
    """The models of all features of the work, each once, in order."""
    models = (f.model for _, metric in work for f in (*metric.features, *metric.reference_features) if f.model)
    return list({model.name: model for model in models}.values())


def _models_left(work: Sequence[tuple[Item, Metric]], now: Model) -> list[Model]:
    models = _models(work)
    names = [model.name for model in models]
    return models[names.index(now.name) + 1 :] if now.name in names else models


# What needs no model


def _score_free(work: list[tuple[Item, Metric]], settings: Settings) -> Iterator[ScoreLine]:
    by_item: dict[str, tuple[Item, list[Metric]]] = {}
    for item, metric in work:
        by_item.setdefault(item.id, (item, []))[1].append(metric)
    if settings.jobs == 0 or len(by_item) < 2:
        for item, chosen in by_item.values():
            yield from score_item(item, chosen, settings.features)
        return
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    before = {name: os.environ.get(name) for name in threads}
    os.environ.update(threads)  # spawned processes read them when they start
    try:
        with ProcessPoolExecutor(settings.jobs, get_context("spawn"), _one_thread) as pool:
            names = {
                pool.submit(_score_named, item, [m.name for m in chosen], settings.features): item.id
                for item, chosen in by_item.values()
            }
            for future in as_completed(names):
                yield from future.result()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _score_named(item: Item, names: list[str], folder: Path) -> list[ScoreLine]:
    from unison_core.evaluation.registry import metrics

    return score_item(item, [metrics()[name] for name in names], folder)


def score_item(item: Item, chosen: Sequence[Metric], folder: Path | None) -> list[ScoreLine]:
    """Scores of one clip by metrics without models, decoding its media once; `folder` None keeps no features."""
    cache = FeatureCache(folder) if folder else None
    media = {"": Media(item), REFERENCE: Media(item.reference or item)}
    seen: dict[str, Mapping[str, np.ndarray] | Unscored] = {}

    def features(item: Item, metric: Metric) -> dict[str, Mapping[str, np.ndarray]]:
        found = {}
        for prefix, feature in _needed(metric):
            name = prefix + feature.name
            if name not in seen:
                try:
                    seen[name] = _extract(feature, media[prefix], cache)
                except Unscored as why:
                    seen[name] = why
            value = seen[name]
            if isinstance(value, Unscored):
                raise value
            found[name] = value
        return found

    return [_score(item, metric, features) for metric in chosen]


def _extract(feature: Feature, media: Media, cache: FeatureCache | None) -> Mapping[str, np.ndarray]:
    key = _key(feature, media.item)
    if cache is not None and (found := cache.get(key)) is not None:
        return found
    arrays = feature.prepare(media)
    if cache is not None:
        cache.put(key, arrays)
    return arrays


# What needs a model


def _run_model(
    model: Model,
    work: Sequence[tuple[Item, Metric]],
    cache: FeatureCache,
    failed: dict[str, Unscored],
    settings: Settings,
) -> None:
    """Extract all features of `model` that are not kept yet; what fails is remembered with its reason."""
    wanted: dict[str, tuple[Feature, Item]] = {}
    for item, metric in work:
        for prefix, feature in _needed(metric):
            if feature.model is not None and feature.model.name == model.name:
                who = item.reference if prefix else item
                assert who is not None
                try:
                    key = _key(feature, who)
                except Unscored:
                    continue  # told of when the clip is scored
                if cache.get(key) is None:
                    wanted[key] = (feature, who)
    if not wanted:
        return
    network: Any = None
    with ThreadPoolExecutor(1) as pool:
        queue = list(wanted.items())
        ahead = [pool.submit(_prepared, feature, item, cache, failed) for _, (feature, item) in queue[:AHEAD]]
        for i, (key, (feature, _)) in enumerate(queue):
            prepared = ahead[i].result()
            ahead[i] = None  # type: ignore[call-overload]  # frees what was prepared
            if i + AHEAD < len(queue):
                ahead.append(pool.submit(_prepared, *queue[i + AHEAD][1], cache, failed))
            if isinstance(prepared, Ready):
                cache.put(key, prepared.arrays)
                continue
            if isinstance(prepared, Unscored):
                failed[key] = prepared
                continue
            assert feature.infer is not None
            try:
                if network is None:
                    network = model.load(settings.store.paths(model.weights), settings.device)
                with torch.inference_mode():
                    cache.put(key, feature.infer(network, prepared))
            except UnisonError as error:  # of the weights, so of every clip that needs them
                failed.update(dict.fromkeys((k for k, _ in queue[i:]), Unscored(str(error))))
                break
            except Unscored as why:
                failed[key] = why
            except Exception as error:  # one clip's fault must not end the others'
                failed[key] = Unscored(f"{feature.name} failed: {type(error).__name__}: {error}"[:200])
    del network
    gc.collect()
    if settings.device.type == "cuda":
        torch.cuda.empty_cache()


def _prepared(feature: Feature, item: Item, cache: FeatureCache, failed: Mapping[str, Unscored]) -> Any:
    try:
        earlier = {}
        if feature.after is not None:
            before = _key(feature.after, item)
            if before in failed:
                return failed[before]
            earlier[feature.after.name] = cache.get(before) or {}
        return feature.prepare(Media(item, earlier=earlier))
    except Unscored as why:
        return why
    except Exception as error:
        return Unscored(f"{feature.name} failed: {type(error).__name__}: {error}"[:200])


def _gathered(
    item: Item, metric: Metric, cache: FeatureCache, failed: Mapping[str, Unscored]
) -> dict[str, Mapping[str, np.ndarray]]:
    """Features from the cache; those without a model are made where they are missing."""
    found: dict[str, Mapping[str, np.ndarray]] = {}
    for prefix, feature in _needed(metric):
        who = item.reference if prefix else item
        assert who is not None
        key = _key(feature, who)
        if key in failed:
            raise failed[key]
        arrays = cache.get(key)
        if arrays is None and feature.model is None:
            arrays = dict(_extract(feature, Media(who), cache))
        if arrays is None:
            raise Unscored(f"{feature.name} was not extracted")
        found[prefix + feature.name] = arrays
    return found


def _stored(item: Item, metric: Metric, cache: FeatureCache) -> dict[str, Mapping[str, np.ndarray]]:
    return _gathered(item, metric, cache, {})


# Common to both


def _needed(metric: Metric) -> list[tuple[str, Feature]]:
    return [("", f) for f in metric.features] + [(REFERENCE, f) for f in metric.reference_features]


def _key(feature: Feature, item: Item) -> str:
    try:
        return feature.key(item)
    except OSError as error:
        raise Unscored(f"there is no file {Path(error.filename).name}") from error


def _lacking(item: Item, metric: Metric) -> str | None:
    return next((why for need in metric.needs if (why := item.lacks(need)) is not None), None)


def _score(
    item: Item, metric: Metric, features: Callable[[Item, Metric], Mapping[str, Mapping[str, np.ndarray]]]
) -> ScoreLine:
    """The line of one clip and metric; whatever goes wrong is its reason."""
    try:
        found = features(item, metric)
        score = metric.score(item, found) if metric.score else Score(values={})
    except Unscored as why:
        return _skip(item, metric, why)
    except Exception as error:  # a fault in one metric is no figure, and never ends the run
        return _skip(item, metric, Unscored(f"{type(error).__name__}: {error}"[:200]))
    if bad := [name for name, value in score.values.items() if not math.isfinite(value)]:
        return _skip(item, metric, Unscored(f"{bad[0]} is no number"))
    return ScoreLine(
        item=item.id, metric=metric.name, key=score_key(item, metric),
        values={name: float(value) for name, value in score.values.items()},
        weights={name: float(value) for name, value in (score.weights or {}).items()},
        missing=score.missing or {}, notes=score.notes or {},
    )  # fmt: skip


def _skip(item: Item, metric: Metric, why: Unscored) -> ScoreLine:
    return ScoreLine(
        item=item.id, metric=metric.name, key=score_key(item, metric), skipped=why.reason, expected=why.expected
    )
