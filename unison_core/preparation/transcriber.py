"""Words of clips that come without: a recogniser of the Hub, or the offline one of the `eval` extra."""

import threading
from typing import Any

import numpy as np
import torch

from unison_core.errors import UnisonError, UsageError, one_line
from unison_core.preparation.ready import Transcribe
from unison_core.weights.resolve import resolve_public

OFFLINE = "pocketsphinx"
PATTERNS = ("*.json", "*.txt", "*.safetensors", "*.model")


def load_transcriber(name: str, device: torch.device, *, offline: bool = False) -> Transcribe:
    """A function from speech to words; one clip at a time, whichever thread asks, so that its neighbours do not matter.

    Args:
        name: Hub id owner/name[@revision] or folder of a speech recogniser that transformers knows (Whisper, wav2vec2,
            ...), or `pocketsphinx`.
        device: where it computes.
        offline: never use the network.

    Raises:
        UsageError: there is no such recogniser. UnisonError: it cannot be downloaded or loaded.
    """
    return _locked(_pocketsphinx() if name == OFFLINE else _transformers(name, device, offline))


def _transformers(name: str, device: torch.device, offline: bool) -> Transcribe:
    folder, _ = resolve_public(name, PATTERNS, offline=offline)
    from transformers import pipeline

    dtype = torch.float16 if device.type == "cuda" else torch.float32
    try:
        reader: Any = pipeline("automatic-speech-recognition", model=str(folder), device=device, dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"transcriber {name!r} cannot be loaded: {one_line(error)}") from error
    rate = int(reader.feature_extractor.sampling_rate)

    def read(speech: np.ndarray, rate_hz: int) -> str:
        from unison_core.pipelines.given_media import resampled

        return str(reader({"raw": resampled(speech, rate_hz, rate), "sampling_rate": rate})["text"])

    return read


def _pocketsphinx() -> Transcribe:
    try:
        from unison_core.evaluation.asr import Recogniser

        return Recogniser().read
    except ModuleNotFoundError as error:
        raise UnisonError(f"transcriber {OFFLINE} needs the extra `eval`: pip install -e '.[eval]'") from error


def _locked(read: Transcribe) -> Transcribe:
    lock = threading.Lock()

    def transcribe(speech: np.ndarray, rate_hz: int) -> str:
        if not np.any(speech):
            return ""
        with lock:
            return read(speech, rate_hz)

    return transcribe
