"""ID: does the person stay who they are? By DINOv3 embeddings of pictures.

identity = mean over pictures i > 0 of (cos(e_i, e_{i-1}) + cos(e_i, e_0)) / 2
identity_reference = mean over pictures of cos(e_i, e_reference)
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unison_core.evaluation.feature import Feature, Model, Weights
from unison_core.evaluation.item import IMAGE, REFERENCE, VIDEO, Item
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score, Unscored

SIDE = 224
DINOV3 = Weights(id="facebook/dinov3-vitb16-pretrain-lvd1689m", licence="DINOv3 License (gated)", size="350 MB")


def load(weights: Weights) -> Callable[[Mapping[str, Path], torch.device], Any]:
    """Loads transformers' class for the weights."""

    def load_it(paths: Mapping[str, Path], device: torch.device) -> Any:
        from transformers import AutoModel

        return AutoModel.from_pretrained(paths[weights.id]).to(device).eval()

    return load_it


def prepare(media: Any) -> torch.Tensor:
    """All pictures of the video, or the one of a reference, squeezed to 224 pixels square."""
    from unison_core.evaluation.networks.pictures import IMAGENET_MEAN, IMAGENET_STD, pixels
    from unison_core.media.read import read_frames

    frames = read_frames(media.item.path(IMAGE))[:1] if IMAGE in media.item.files else media.frames()
    return pixels(frames, SIDE, IMAGENET_MEAN, IMAGENET_STD)


def infer(network: Any, pictures: torch.Tensor) -> dict[str, np.ndarray]:
    """Embeddings `(pictures, D)` of length 1."""
    from unison_core.evaluation.networks.pictures import BATCH

    found = [network(pixel_values=x.to(network.device)).pooler_output for x in pictures.split(BATCH)]
    return {"embeddings": torch.nn.functional.normalize(torch.cat(found).float(), dim=-1).cpu().numpy()}


def consistency(embeddings: np.ndarray) -> float:
    """Mean cosine to the picture before and to the first, of `(pictures, D)` of length 1."""
    if len(embeddings) < 2:
        raise Unscored("one picture alone has no consistency")
    before = (embeddings[1:] * embeddings[:-1]).sum(axis=1)
    first = embeddings[1:] @ embeddings[0]
    return float((before + first).mean() / 2)


def make(name: str, weights: Weights, note: str) -> Metric:
    """The metric with one set of weights."""
    model = Model(name=weights.id, weights=(weights,), load=load(weights))
    pictures = Feature(name=f"{name} pictures", reads=(VIDEO,), prepare=prepare, model=model, infer=infer)

    def score(item: Item, features: Features) -> Score:
        return Score(values={name: consistency(features[pictures.name]["embeddings"])})

    return Metric(
        name=name, about=f"consistency of the person between pictures{note}", source="as VBench's subject consistency",
        figures=(Figure(name=name, about=f"ID, between pictures{note}", better=UP),),
        needs=(VIDEO,), features=(pictures,), score=score,
    )  # fmt: skip


def make_reference(name: str, weights: Weights, note: str) -> Metric:
    """The metric against a reference picture, with one set of weights."""
    model = Model(name=weights.id, weights=(weights,), load=load(weights))
    pictures = Feature(name=f"{name} pictures", reads=(VIDEO,), prepare=prepare, model=model, infer=infer)
    image = Feature(name=f"{name} image", reads=(IMAGE,), prepare=prepare, model=model, infer=infer)

    def score(item: Item, features: Features) -> Score:
        true = features[REFERENCE + image.name]["embeddings"][0]
        return Score(values={f"{name}_reference": float((features[pictures.name]["embeddings"] @ true).mean())})

    return Metric(
        name=f"{name}_reference", about=f"likeness of all pictures to the reference picture{note}",
        source="Harmony, app. C.2",
        figures=(Figure(name=f"{name}_reference", about=f"ID, to the reference{note}", better=UP),),
        needs=(VIDEO, REFERENCE + IMAGE), features=(pictures,), reference_features=(image,), score=score,
    )  # fmt: skip


METRIC = make("identity", DINOV3, "")
