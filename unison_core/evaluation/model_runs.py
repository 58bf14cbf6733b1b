"""Features that need a model: model by model over all clips, one in memory, while a thread prepares the next clip."""

import gc
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from unison_core.errors import UnisonError
from unison_core.evaluation.feature import Feature, FeatureCache, Model, Ready
from unison_core.evaluation.item import Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import Metric, Unscored
from unison_core.evaluation.scoring import feature_key, needed
from unison_core.evaluation.weight_free import extract
from unison_core.evaluation.weights import WeightStore

AHEAD = 3
"""Clips that are prepared while the model works on one."""


def models_of(work: Sequence[tuple[Item, Metric]]) -> list[Model]:
    """The models of all features of the work, each once; what another feature comes after stands before it."""
    depths: dict[str, int] = {}
    models: dict[str, Model] = {}
    for _, metric in work:
        for _, feature in needed(metric):
            if feature.model is not None:
                models[feature.model.name] = feature.model
                depths[feature.model.name] = max(depths.get(feature.model.name, 0), _depth(feature))
    return sorted(models.values(), key=lambda model: depths[model.name])


def _depth(feature: Feature) -> int:
    return 0 if feature.after is None else 1 + _depth(feature.after)


def models_after(work: Sequence[tuple[Item, Metric]], now: Model) -> list[Model]:
    """The models whose turn comes after `now`."""
    models = models_of(work)
    names = [model.name for model in models]
    return models[names.index(now.name) + 1 :] if now.name in names else models


def run_model(
    model: Model,
    work: Sequence[tuple[Item, Metric]],
    cache: FeatureCache,
    failed: dict[str, Unscored],
    store: WeightStore,
    device: torch.device,
) -> None:
    """Extract all features of `model` that are not kept yet; what fails is remembered with its reason."""
    wanted: dict[str, tuple[Feature, Item]] = {}
    for item, metric in work:
        for prefix, feature in needed(metric):
            if feature.model is not None and feature.model.name == model.name:
                who = item.reference if prefix else item
                assert who is not None
                try:
                    key = feature_key(feature, who)
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
                    network = model.load(store.paths(model.weights), device)
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
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _prepared(feature: Feature, item: Item, cache: FeatureCache, failed: Mapping[str, Unscored]) -> Any:
    try:
        earlier = {}
        if feature.after is not None:
            before = feature_key(feature.after, item)
            if before in failed:
                return failed[before]
            earlier[feature.after.name] = cache.get(before) or {}
        return feature.prepare(Media(item, earlier=earlier))
    except Unscored as why:
        return why
    except Exception as error:
        return Unscored(f"{feature.name} failed: {type(error).__name__}: {error}"[:200])


def gathered(
    item: Item, metric: Metric, cache: FeatureCache, failed: Mapping[str, Unscored]
) -> dict[str, Mapping[str, np.ndarray]]:
    """Features from the cache; those without a model are made where they are missing."""
    found: dict[str, Mapping[str, np.ndarray]] = {}
    for prefix, feature in needed(metric):
        who = item.reference if prefix else item
        assert who is not None
        key = feature_key(feature, who)
        if key in failed:
            raise failed[key]
        arrays = cache.get(key)
        if arrays is None and feature.model is None:
            arrays = dict(extract(feature, Media(who), cache))
        if arrays is None:
            raise Unscored(f"{feature.name} was not extracted")
        found[prefix + feature.name] = arrays
    return found
