"""The provenance record of a clip: with it, and the same weights, the run can be repeated.

    {record, command, id, created, request, inputs, model, run, versions, timings_s, output, checks, sha256, files}

`request` is complete (every setting and the seed), `model` names revision and file hashes, `sha256` are hashes of the
decoded data, which do not depend on how files are encoded. Silence is null, since JSON knows no infinity.
"""

import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from unison_core.config import from_mapping
from unison_core.errors import UsageError
from unison_core.pipelines.request import ClipSpec, GenerateRequest

VERSION = 1
COMMANDS = ("generate", "a2v", "v2a")
"""Commands whose records these are."""
PACKAGES = ("unison-av", "torch", "diffusers", "safetensors", "numpy", "scipy", "imageio-ffmpeg", "pyloudnorm")


def spec_from(record: Mapping[str, Any], where: str = "record") -> ClipSpec:
    """The completed request that a record keeps; raises UsageError where it is not one of ours."""
    return from_mapping(ClipSpec, _request(record, where), where)


def request_from(record: Mapping[str, Any], where: str = "record") -> GenerateRequest:
    """The same as a request, to be made again."""
    return from_mapping(GenerateRequest, _request(record, where), where)


def _request(record: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    if record.get("record") != VERSION or record.get("command") not in COMMANDS:
        raise UsageError(f"{where} is not a record of `unison {'`, `'.join(COMMANDS)}` (version {VERSION})")
    return record.get("request", {})


def versions() -> dict[str, str]:
    """Versions of everything that takes part."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def content_hashes(
    frames: np.ndarray, waves: Mapping[str, np.ndarray], latents: Mapping[str, Tensor]
) -> dict[str, str]:
    """SHA-256 of the data itself: latents (float32), frames (uint8 RGB), waveforms (float32), little-endian."""
    hashes = {f"latents.{name}": _sha256(x.float().cpu().numpy()) for name, x in latents.items()}
    return {**hashes, "frames": _sha256(frames), **{name: _sha256(wave) for name, wave in waves.items()}}


def read_record(path: Path) -> dict[str, Any]:
    """The record in a `unison.json`, in the MP4 beside it, or in an output folder.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    import json

    from unison_core.media.mp4 import read_record as read_tag

    if path.is_dir():
        path = path / "unison.json"
    if not path.is_file():
        raise UsageError(f"there is no record {path}")
    if path.suffix.lower() in (".mp4", ".m4v", ".mov"):
        return read_tag(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"record {path} cannot be read: {error}") from error
    if not isinstance(record, dict):
        raise UsageError(f"{path} is not a record")
    return record


def _sha256(array: np.ndarray) -> str:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(np.ascontiguousarray(little).tobytes()).hexdigest()
