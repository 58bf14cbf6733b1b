"""Fits the classifiers of sounds and voices on corpus recordings of the train split, and prints held-out accuracy.

    python -m unison_core.evaluation.fit_classifiers

Nothing that a model generated, and nothing that went through a codec, is ever trained on. A few minutes on one core;
the weights lie in the package, so that scoring needs no fitting.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file as save_tensors
from torch import Tensor
from torch.nn import functional

from unison_core.corpus.foley import sound_effects
from unison_core.corpus.sample import stage
from unison_core.corpus.scene import VOICES
from unison_core.corpus.sentences import load_sentences
from unison_core.corpus.speech import RATE_HZ, speak
from unison_core.evaluation import sounds, voices
from unison_core.evaluation.features import MELS, log_mel
from unison_core.evaluation.sounds import ACTION_CLASSES, AMBIENCE_CLASSES, SoundClassifier

BATCH = 32
TILT_DB = 6.0
"""Largest random change of the spectrum's ends, up or down."""


@dataclass(frozen=True, kw_only=True)
class Recordings:
    """Labelled effects stems: relative mel frames `(40, FRAMES)` each, and class numbers `(count,)`."""

    frames: list[np.ndarray]
    actions: Tensor
    ambiences: Tensor


def record_sounds(split: str, count: int, first_seed: int = 0) -> Recordings:
    """Effects stems of `count` scenes in which nobody speaks."""
    scenes = [stage(first_seed + i, split, None) for i in range(count)]
    return Recordings(
        frames=[sounds.relative_mel(sound_effects(scene), RATE_HZ) for scene in scenes],
        actions=torch.tensor([ACTION_CLASSES.index(scene.action) for scene in scenes]),
        ambiences=torch.tensor([AMBIENCE_CLASSES.index(scene.ambience) for scene in scenes]),
    )


def fit_sounds(recordings: Recordings, epochs: int = 14, seed: int = 0) -> SoundClassifier:
    """Train the network with AdamW and one cycle of the learning rate."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = SoundClassifier()
    count = len(recordings.frames)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * (count // BATCH))
    for _ in range(epochs):
        for rows in rng.permutation(count)[: count // BATCH * BATCH].reshape(-1, BATCH):
            batch = torch.from_numpy(np.stack([_varied(recordings.frames[row], rng) for row in rows]))
            actions, ambiences = model(batch)
            loss = functional.cross_entropy(actions, recordings.actions[rows], label_smoothing=0.05)
            loss = loss + functional.cross_entropy(ambiences, recordings.ambiences[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def score_sounds(model: SoundClassifier, recordings: Recordings) -> dict[str, float]:
    """Share of recordings whose action, ambience, and both are named right ("none" is a name too)."""
    with torch.inference_mode():
        named = [[head.argmax().item() for head in model(torch.from_numpy(x)[None])] for x in recordings.frames]
    right = np.array(named) == np.stack([recordings.actions.numpy(), recordings.ambiences.numpy()], axis=1)
    return {"action": right[:, 0].mean(), "ambience": right[:, 1].mean(), "both": right.all(axis=1).mean()}


def record_voices(split: str, per_voice: int, seed: int = 0) -> Iterator[tuple[np.ndarray, int]]:
    """Log-mel frames and voice number of spoken sentences."""
    rng = np.random.default_rng(seed)
    for _ in range(per_voice):
        for number, voice in enumerate(VOICES):
            yield log_mel(speak(load_sentences().sample(rng, split), voice).wave, RATE_HZ), number


def fit_voices(per_voice: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    """Linear discriminant of voice features, from each sentence as it is and twice with a random tilt."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rng = np.random.default_rng(seed)
    rows, labels = [], []
    for mel, number in record_voices("train", per_voice):
        for tilt_db in (0.0, rng.uniform(-TILT_DB, TILT_DB), rng.uniform(-TILT_DB, TILT_DB)):
            features = voices.voice_features(mel + tilt_db * np.linspace(-1, 1, MELS))
            if features is not None:
                rows.append(features)
                labels.append(number)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(np.stack(rows), labels)
    return {"weight": model.coef_.astype(np.float32), "bias": model.intercept_.astype(np.float32)}


def score_voices(weights: dict[str, np.ndarray], per_voice: int = 25) -> float:
    """Share of held-out sentences whose voice is named right."""
    right = []
    for mel, number in record_voices("held_out", per_voice):
        features = voices.voice_features(mel)
        right.append(features is not None and int(np.argmax(weights["weight"] @ features + weights["bias"])) == number)
    return float(np.mean(right))


def _varied(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The frames `(40, FRAMES)` with a random tilt, noise floor and shift in time."""
    tilted = frames + (frames > 0) * rng.uniform(-TILT_DB, TILT_DB) / 20 * np.linspace(-1, 1, MELS)[:, None]
    floor = rng.uniform(0.0, 0.75) * (rng.random() < 0.5)  # up to 45 dB under the loudest band
    if frames.any():
        tilted = np.maximum(tilted, floor * rng.uniform(0.8, 1.2, frames.shape))
    return np.roll(tilted, rng.integers(frames.shape[1]), axis=1).astype(np.float32)


def main() -> None:
    """Fit both, print their accuracy, write their weights."""
    weights = fit_voices()
    print(f"voices: {score_voices(weights):.1%} of held-out sentences named right")
    save_arrays(weights, voices.WEIGHTS)
    model = fit_sounds(record_sounds("train", 3000))
    model = model.half().float()  # scored as it is stored
    for name, share in score_sounds(model, record_sounds("held_out", 600)).items():
        print(f"sounds, {name}: {share:.1%} of held-out recordings named right")
    save_tensors({name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}, sounds.WEIGHTS)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
