"""What every part shares: the clip, random models, timing, and rows with verdicts."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from unison_core.config import Preset
from unison_core.model.unison import Unison
from unison_core.pipelines.device import device_name
from unison_core.pipelines.workload import blank_latents, blank_text
from unison_core.types import VIDEO


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        part, name: what was measured. value, unit: the figure.
        asked: what was asked of it, in words; empty for a figure that only informs.
        passed: whether it was met; None without a demand.
    """

    part: str
    name: str
    value: float
    unit: str
    asked: str = ""
    passed: bool | None = None


@dataclass
class Bench:
    """The clip and the machine.

    Attributes:
        preset, device, dtype: what runs where. size: width, height. frames: 4k+1. steps: of a whole run.
        repeats: timed calls, of which the median counts. compile: measure compiled code too. rows: figures so far.
        shared: figures that later parts need (ceilings, peers). modes: faster modes that are measured.
        encoders: folder of the caption encoders' files; written where they are first needed.
    """

    preset: Preset
    device: torch.device
    dtype: torch.dtype
    size: tuple[int, int]
    frames: int
    steps: int
    repeats: int
    compile: bool = True
    modes: frozenset[str] = frozenset()
    encoders: Path | None = None
    rows: list[Row] = field(default_factory=list)
    shared: dict[str, float] = field(default_factory=dict)

    def add(self, part: str, name: str, value: float, unit: str, asked: str = "", passed: bool | None = None) -> None:
        """Keep a figure and print it."""
        row = Row(part, name, value, unit, asked, passed)
        self.rows.append(row)
        verdict = "" if passed is None else f" | {asked}: {'pass' if passed else 'MISS'}"
        print(f"| {part} | {name} | {value:.4g} {unit}{verdict} |", flush=True)

    def seconds(self, call: Callable[[], Any]) -> float:
        """Median seconds of a call, after one that is not counted."""
        call()
        return median(self.once(call) for _ in range(self.repeats))

    def once(self, call: Callable[[], Any]) -> float:
        """Seconds of one call, the device's work included."""
        self.wait()
        start = time.perf_counter()
        call()
        self.wait()
        return time.perf_counter() - start

    def wait(self) -> None:
        """Until the device has done its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def peak_bytes(self, call: Callable[[], Any]) -> int:
        """Bytes allocated on the device at most during a call; 0 on a CPU."""
        if self.device.type != "cuda":
            call()
            return 0
        torch.cuda.reset_peak_memory_stats(self.device)
        call()
        return torch.cuda.max_memory_allocated(self.device)

    def free(self) -> None:
        """Forget compiled code and give memory back, between models."""
        import gc

        torch._dynamo.reset()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @property
    def video_tokens(self) -> int:
        """Tokens of the video branch."""
        patch, stride = self.preset.model.video.patch, self.preset.codecs.video.spatial_stride
        rows, columns = self.size[1] // stride // patch[1], self.size[0] // stride // patch[2]
        return self.preset.timing.video_latents(self.frames) * rows * columns

    def machine(self) -> str:
        """Device and versions."""
        import diffusers

        name = device_name(self.device)
        return f"{name}, torch {torch.__version__}, diffusers {diffusers.__version__}, CUDA {torch.version.cuda}"


def random_model(bench: Bench, device: torch.device | None = None) -> Unison:
    """The joint model with weights that are quickly made and not trivial."""
    with torch.device("meta"):
        model = Unison(bench.preset.model, bench.preset.timing)
    return filled(model.to(bench.dtype), device or bench.device)


def filled(module: Any, device: torch.device) -> Any:
    """A module of the meta device with weights: repetitions of one random pattern, at a scale that keeps variance."""
    module.to_empty(device=device)
    pattern = torch.randn(1_000_003, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad():
        for name, p in module.named_parameters():
            if p.ndim < 2:
                values = 0.02 * pattern[: p.numel()].view(p.shape)
                p.copy_(1 + values if name.endswith("weight") else values)
            else:
                fill_with(p, pattern / math.sqrt(p[0].numel()))
    return module.eval().requires_grad_(False)


def fill_with(tensor: Tensor, pattern: Tensor) -> None:
    """Repeat a vector over a contiguous tensor, cast once: nothing of the tensor's size is made on the way."""
    flat, pattern = tensor.view(-1), pattern.to(tensor.dtype)
    whole = flat.numel() // len(pattern) * len(pattern)
    flat[:whole].view(-1, len(pattern)).copy_(pattern)
    flat[whole:].copy_(pattern[: flat.numel() - whole])


def steady(module: Any, device: torch.device) -> Any:
    """A module of the meta device whose weights are one small number: made at once, for parts that are only timed."""
    module.to_empty(device=device)
    with torch.no_grad():
        for p in module.parameters():
            p.fill_(1.0 if p.ndim < 2 else 0.01)
    return module.eval().requires_grad_(False)


def inputs(bench: Bench, model: Unison, rows: int = 1) -> tuple[dict[str, Tensor], dict[str, Tensor], Any]:
    """Noisy latents, noise levels and conditions of a forward."""
    with bench.device:
        text = blank_text(bench.preset, rows, bench.dtype)
        latents = blank_latents(bench.preset, bench.size, bench.frames, rows, bench.dtype)
        latents = {s: torch.randn_like(x) for s, x in latents.items()}
        sigmas = {s: torch.full((rows, x.shape[2]) if s == VIDEO else (rows,), 0.6) for s, x in latents.items()}
    with torch.inference_mode():
        return latents, sigmas, model.encode(text, bench.frames)


def psnr(found: Tensor, exact: Tensor) -> float:
    """Peak signal to noise in dB, the peak being the exact values' range."""
    error = (found.double() - exact.double()).square().mean()
    span = float(exact.max() - exact.min())
    return math.inf if error == 0 else 10 * math.log10(span**2 / float(error))


def parameters(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in module.parameters())
