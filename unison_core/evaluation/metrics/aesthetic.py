"""VA of Unison and AQ of Harmony: what aesthetic-predictor-v2-5 thinks of the pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unison_core.evaluation.feature import Feature, Model, Weights
from unison_core.evaluation.item import VIDEO, Item
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score
from unison_core.evaluation.weights import load_state, on_device, single_file

ENCODER = Weights(id="google/siglip-so400m-patch14-384", licence="Apache-2.0", size="3.5 GB",
                  patterns=("*.json", "model.safetensors"))  # fmt: skip
HEAD = Weights(
    id="aesthetic_predictor_v2_5.pth", licence="AGPL-3.0", size="5 MB",
    url="https://github.com/discus0434/aesthetic-predictor-v2-5/raw/main/models/aesthetic_predictor_v2_5.pth",
)  # fmt: skip
SIDE = 384


def load(paths: Mapping[str, Path], device: torch.device) -> Any:
    """SigLIP's picture encoder and the head."""
    from transformers import SiglipVisionModel

    from unison_core.evaluation.networks.aesthetic_head import AestheticHead

    encoder = on_device(SiglipVisionModel.from_pretrained(paths[ENCODER.id]), device)
    head = AestheticHead(encoder.config.hidden_size)
    load_state(head, single_file(paths, HEAD, "*.pth"))
    return encoder, head.to(device).eval()


def prepare(media: Any) -> torch.Tensor:
    """All pictures, 384 pixels square, in [-1, 1]."""
    from unison_core.evaluation.networks.pictures import HALF, pixels

    return pixels(media.frames(), SIDE, HALF, HALF)


def infer(network: Any, pictures: torch.Tensor) -> dict[str, np.ndarray]:
    """A score a picture."""
    from unison_core.evaluation.networks.pictures import BATCH

    encoder, head = network
    scores = [head(encoder(pixel_values=x.to(encoder.device)).pooler_output) for x in pictures.split(BATCH)]
    return {"scores": torch.cat(scores).float().cpu().numpy()}


def score(item: Item, features: Features) -> Score:
    """Mean over the pictures."""
    return Score(values={"aesthetic": float(features["aesthetic"]["scores"].mean())})


METRIC = Metric(
    name="aesthetic",
    about="aesthetic score of all pictures (Unison's VA as it is, Harmony's AQ over 10)",
    source="aesthetic-predictor-v2-5 on SigLIP so400m, mean over pictures",
    figures=(Figure(name="aesthetic", about="VA; AQ times 10", better=UP),),
    needs=(VIDEO,),
    features=(
        Feature(name="aesthetic", reads=(VIDEO,), prepare=prepare, infer=infer,
                model=Model(name=f"{ENCODER.id}+{HEAD.id}", weights=(ENCODER, HEAD), load=load)),
    ),
    score=score,
)  # fmt: skip
