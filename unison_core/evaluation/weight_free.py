"""Scores by what needs no model: clip by clip, in several processes, each clip decoded once for all its features."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from unison_core.evaluation.feature import Feature, FeatureCache
from unison_core.evaluation.item import REFERENCE, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import Metric, Unscored
from unison_core.evaluation.score_log import ScoreLine
from unison_core.evaluation.scoring import feature_key, needed, score_line


def score_free(work: Sequence[tuple[Item, Metric]], folder: Path, jobs: int) -> Iterator[ScoreLine]:
    """Lines of all the work as they come, in `jobs` processes; 0 works in this one."""
    by_item: dict[str, tuple[Item, list[Metric]]] = {}
    for item, metric in work:
        by_item.setdefault(item.id, (item, []))[1].append(metric)
    if jobs == 0 or len(by_item) < 2:
        for item, chosen in by_item.values():
            yield from score_item(item, chosen, folder)
        return
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    before = {name: os.environ.get(name) for name in threads}
    os.environ.update(threads)  # spawned processes read them when they start
    try:
        with ProcessPoolExecutor(jobs, get_context("spawn"), _one_thread) as pool:
            names = {
                pool.submit(_score_named, item, [m.name for m in chosen], folder): item.id
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
        for prefix, feature in needed(metric):
            name = prefix + feature.name
            if name not in seen:
                try:
                    seen[name] = extract(feature, media[prefix], cache)
                except Unscored as why:
                    seen[name] = why
            value = seen[name]
            if isinstance(value, Unscored):
                raise value
            found[name] = value
        return found

    return [score_line(item, metric, features) for metric in chosen]


def extract(feature: Feature, media: Media, cache: FeatureCache | None) -> Mapping[str, np.ndarray]:
    """A feature without a model, from the cache where it is kept."""
    key = feature_key(feature, media.item)
    if cache is not None and (found := cache.get(key)) is not None:
        return found
    arrays = feature.prepare(media)
    if cache is not None:
        cache.put(key, arrays)
    return arrays
