"""DS, DeSync: by how many seconds picture and sound are apart, as Synchformer guesses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unison_core.evaluation.feature import Feature, Model, Weights
from unison_core.evaluation.item import SOUND, VIDEO, Item
from unison_core.evaluation.registry import DOWN, Features, Figure, Metric, Score, Unscored
from unison_core.evaluation.weights import load_state, single_file

WEIGHTS = Weights(
    id="synchformer_state_dict.pth", licence="MIT", size="950 MB",
    url="https://github.com/hkchengrex/MMAudio/releases/download/v0.1/synchformer_state_dict.pth",
)  # fmt: skip
FPS, SIDE, RATE_HZ = 25.0, 224, 16000
SEGMENTS = 14
PICTURES, PICTURE_STEP = 16, 8
SAMPLES, SAMPLE_STEP = 10240, 5120
MEAN, SPREAD = -4.2677393, 4.5689974
MELS, MEL_FRAMES = 128, 66


def load(paths: Mapping[str, Path], device: torch.device) -> Any:
    """Synchformer."""
    from unison_core.evaluation.networks.synchformer import Synchformer

    network = Synchformer()
    load_state(network, single_file(paths, WEIGHTS, "*.pth"))
    return network.to(device).eval()


def segments(pictures: torch.Tensor, wave: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Half-overlapping segments of 0.64 s, `(S, 3, 16, H, W)` and `(S, 10240)`, as many as both have.

    Raises:
        Unscored: fewer than 14, which is 4.8 s.
    """
    count = min((len(pictures) - PICTURES) // PICTURE_STEP, (len(wave) - SAMPLES) // SAMPLE_STEP) + 1
    if count < SEGMENTS:
        raise Unscored("shorter than 4.8 s")
    seen = torch.stack([pictures[PICTURE_STEP * i : PICTURE_STEP * i + PICTURES] for i in range(count)])
    heard = torch.stack([wave[SAMPLE_STEP * i : SAMPLE_STEP * i + SAMPLES] for i in range(count)])
    return seen.transpose(1, 2), heard


def prepare(media: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Segments of pictures in [-1, 1] and of normalised log mels `(S, 128, 66)`."""
    from unison_core.evaluation.networks.pictures import HALF, pixels

    pictures = pixels(media.frames(fps=FPS), SIDE, HALF, HALF, crop=True)
    seen, heard = segments(pictures, torch.from_numpy(np.ascontiguousarray(media.wave(SOUND).at(RATE_HZ))))
    return seen, log_mels(heard)


def log_mels(waves: torch.Tensor) -> torch.Tensor:
    """`(S, 128, 66)` of `(S, 10240)`, padded with zeros (of the log) to 66 frames, then normalised."""
    from unison_core.evaluation.networks.sync_mel import mel_power

    mels = torch.log(mel_power(waves) + 1e-6)
    return (torch.nn.functional.pad(mels, (0, MEL_FRAMES - mels.shape[-1]))[..., :MEL_FRAMES] - MEAN) / (2 * SPREAD)


def infer(network: Any, prepared: tuple[torch.Tensor, torch.Tensor]) -> dict[str, np.ndarray]:
    """The offset in s over the first and over the last 14 segments."""
    from unison_core.evaluation.networks.synchformer import offsets_s

    device = next(network.parameters()).device
    seen = torch.cat([network.vfeat_extractor(x[None].to(device)) for x in prepared[0]])
    heard = network.afeat_extractor(prepared[1].to(device))
    ends = (slice(None, SEGMENTS), slice(-SEGMENTS, None))
    classes = [int(network.compare(seen[None, end], heard[None, end]).argmax()) for end in ends]
    return {"offsets_s": offsets_s()[classes].numpy()}


def score(item: Item, features: Features) -> Score:
    """Mean size of the two offsets."""
    return Score(values={"desync": float(np.abs(features["synchformer"]["offsets_s"]).mean())})


METRIC = Metric(
    name="desync",
    about="Synchformer's offset over the first and last 14 segments; needs 4.8 s",
    source="Iashin et al., ICASSP 2024, as av-benchmark (Cheng et al., 2025) reports it",
    figures=(Figure(name="desync", about="DS, DeSync, s", better=DOWN),),
    needs=(VIDEO, SOUND),
    features=(
        Feature(name="synchformer", reads=(VIDEO, SOUND), prepare=prepare, infer=infer,
                model=Model(name=WEIGHTS.id, weights=(WEIGHTS,), load=load)),
    ),
    score=score,
)  # fmt: skip
