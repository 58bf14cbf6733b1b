"""Whether this installation can run: versions that must agree, programs, devices, optional parts."""

import importlib
import importlib.metadata
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from unison_core.errors import UnisonError, one_line

OK, MISSING, BROKEN = "ok", "missing", "broken"
NEEDED = ("torch", "torchaudio", "diffusers", "transformers", "safetensors", "soundfile", "pyloudnorm", "einops",
          "bs_roformer")  # fmt: skip
OPTIONAL = {
    "skia": ("skia-python", "drawing the corpus: pip install -e '.[corpus]', and the system's libgl1, libfontconfig1"),
    "pocketsphinx": ("pocketsphinx", "word errors in evaluation: pip install -e '.[eval]'"),
    "cv2": ("opencv-python-headless", "optical flow and faces in evaluation: pip install -e '.[eval]'"),
    "jiwer": ("jiwer", "word errors in evaluation: pip install -e '.[eval]'"),
}
"""Module, distribution, and what it is for."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        state: `ok`, `missing` (only some commands need it) or `broken`.
        text: version or figure, or what to do.
    """

    name: str
    state: str
    text: str

    def to_mapping(self) -> dict[str, str]:
        """JSON data."""
        return asdict(self)


def examine() -> list[Finding]:
    """Look at everything; never raises."""
    return [
        _python(), *(_module(name) for name in NEEDED), _torch_pair(), _ffmpeg(), *_devices(), _bundled(),
        *(_optional(name, *about) for name, about in OPTIONAL.items()), _flite(),
    ]  # fmt: skip


def torch_mismatch(torch: str, torchaudio: str) -> str | None:
    """Why these versions of torch and torchaudio do not work together; None where they do.

    torchaudio 2.11.0 imports with torch 2.11 to 2.13 and not with a CPU-only build; 2.11.1 does not with torch 2.12.1.
    """
    if "+cpu" in torch:
        return f"torch {torch} is a CPU-only build, which torchaudio {torchaudio} cannot load: pip install 'torch<2.13'"
    match = re.match(r"(\d+)\.(\d+)", torch)
    if match and not (2, 11) <= (int(match[1]), int(match[2])) <= (2, 13):
        return f"torch {torch} does not fit torchaudio {torchaudio}: pip install 'torch>=2.11,<2.13'"
    if torchaudio.split("+")[0] != "2.11.0":
        return f"torchaudio {torchaudio} does not fit torch {torch}: pip install 'torchaudio==2.11.0'"
    return None


def _python() -> Finding:
    fits = sys.version_info >= (3, 11)
    text = f"{platform.python_version()} on {platform.platform()}" + ("" if fits else ": 3.11 or newer is needed")
    return Finding(name="python", state=OK if fits else BROKEN, text=text)


def _module(name: str) -> Finding:
    try:
        importlib.import_module(name)
        return Finding(name=name, state=OK, text=importlib.metadata.version(name))
    except Exception as error:  # a broken torchaudio breaks others with exceptions of its own
        return Finding(name=name, state=BROKEN, text=f"does not import: {one_line(error)}")


def _optional(module: str, distribution: str, purpose: str) -> Finding:
    try:
        importlib.import_module(module)
        return Finding(name=distribution, state=OK, text=importlib.metadata.version(distribution))
    except Exception as error:
        return Finding(name=distribution, state=MISSING, text=f"{purpose} ({one_line(error, 120)})")


def _torch_pair() -> Finding:
    try:
        versions = {name: importlib.metadata.version(name) for name in ("torch", "torchaudio")}
    except importlib.metadata.PackageNotFoundError as error:
        return Finding(name="torch with torchaudio", state=BROKEN, text=f"{error} is not installed")
    why = torch_mismatch(**versions)
    text = why or f"{versions['torch']} fits {versions['torchaudio']}"
    return Finding(name="torch with torchaudio", state=BROKEN if why else OK, text=text)


def _ffmpeg() -> Finding:
    from unison_core.media import ffmpeg

    def version() -> str:
        return ffmpeg.run(["-version"]).decode().split("\n")[0]

    return _tried("ffmpeg", version)


def _devices() -> list[Finding]:
    def describe(name: str) -> Callable[[], str]:
        def text() -> str:
            from unison_core.pipelines.device import choose_device, device_name, has_fast_bf16

            device = choose_device(name)
            precision = "bf16 in hardware" if has_fast_bf16(device) else "float32 (no bf16 units)"
            return f"{device_name(device)}, {precision}"

        return text

    gpu = _tried("gpu", describe("cuda"))
    if gpu.state == BROKEN:
        gpu = Finding(name="gpu", state=MISSING, text="no CUDA GPU; nano runs on the CPU")
    return [_tried("cpu", describe("cpu")), gpu]


def _bundled() -> Finding:
    from unison_core.weights.resolve import BUNDLED, bundled_names

    names = bundled_names()
    text = ", ".join(names) or f"none under {BUNDLED}: pass --model a folder or a Hub id"
    return Finding(name="bundled models", state=OK if names else MISSING, text=text)


def _flite() -> Finding:
    path = shutil.which("flite")
    if path is None:
        return Finding(name="flite", state=MISSING, text="the corpus's voices: install the system package flite")
    return Finding(name="flite", state=OK, text=path)


def _tried(name: str, describe: Callable[[], str]) -> Finding:
    try:
        return Finding(name=name, state=OK, text=describe())
    except (UnisonError, OSError, RuntimeError) as error:
        return Finding(name=name, state=BROKEN, text=one_line(error))
