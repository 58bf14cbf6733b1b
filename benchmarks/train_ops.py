"""What one training step of stage 2 makes the device do, counted on a CPU: operations, copies and the bytes they move.

    python benchmarks/train_ops.py --precision bf16 --precision bf16_weights

Counted are operations of PyTorch that touch memory (views do not), forward and backward pass, clipping and optimizer,
and those of them that only copy: casts, layout changes, concatenations. Autocast on a CPU leaves other operations in
float32 than on a GPU, and norms are other kernels there: `as_on_a_gpu` has them counted as a GPU computes them.
"""

import argparse
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from unison_core.config import Preset, load_preset
from unison_core.model.unison import Unison
from unison_core.pipelines.workload import blank_latents, blank_text
from unison_core.training.objective import LatentBatch, ObjectiveConfig, draw_noise, flow_losses

COPIES = ("_to_copy", "copy_", "clone", "_foreach_copy_", "cat", "stack")
BYTES = {"float": 4, "c10::BFloat16": 2, "double": 8, "long int": 8, "c10::complex<float>": 8, "int": 4, "bool": 1}
"""Bytes of an element, by the profiler's names of types."""


@dataclass
class Counted:
    """Operations and the bytes that they read and write."""

    calls: int = 0
    bytes: int = 0
    copies: int = 0
    copied: int = 0
    by_name: dict[str, list[int]] = field(default_factory=dict)


class Counter(TorchDispatchMode):
    """Counts what runs within the context."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = Counted()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = function(*args, **(kwargs or {}))
        if function.is_view or function.overloadpacket.__name__ in ("detach", "_unsafe_view", "empty_like", "empty"):
            return result
        name = function.overloadpacket.__name__
        moved = _bytes(tree_leaves((args, kwargs))) + _bytes(tree_leaves(result))
        counted = self.counted
        counted.calls += 1
        counted.bytes += moved
        entry = counted.by_name.setdefault(name, [0, 0])
        entry[0] += 1
        entry[1] += moved
        if name in COPIES:
            counted.copies += 1
            counted.copied += moved
        return result


def _bytes(values: Iterable[object]) -> int:
    return sum(x.numel() * x.element_size() for x in values if isinstance(x, Tensor))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="nano")
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--frames", type=int, default=101)
    parser.add_argument("--precision", action="append", help="of unison train; may be given several times")
    parser.add_argument("--top", type=int, default=0, help="also list so many operations")
    args = parser.parse_args()
    preset = load_preset(args.preset)
    print("| precision | operations | GB moved | copies | GB copied | aten::copy_ | of them GB |\n" + "|---" * 7 + "|")
    for precision in args.precision or ["bf16"]:
        step = training_step(preset, precision, args.clips, args.frames)
        with as_on_a_gpu():
            step()  # the optimizer makes its state
            with Counter() as counter:
                step()
            with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
                step()
        calls, moved = profiled_copies(profiler)
        counted = counter.counted
        gigabytes = [f"{size / 1e9:.2f}" for size in (counted.bytes, counted.copied, moved)]
        row = (precision, counted.calls, gigabytes[0], counted.copies, gigabytes[1], calls, gigabytes[2])
        print("| " + " | ".join(map(str, row)) + " |")
        for name, (n, size) in sorted(counted.by_name.items(), key=lambda item: -item[1][1])[: args.top]:
            print(f"{name:40} {n:6} {size / 1e9:8.3f} GB")


def training_step(preset: Preset, precision: str, clips: int, frames: int):  # type: ignore[no-untyped-def]
    """A function that takes one step of stage 2 on random latents, as `FlowRun` does."""
    torch.manual_seed(0)
    model = Unison(preset.model, preset.timing)
    masters = None
    if precision == "bf16_weights":
        from unison_core.training.master_weights import MasterWeights

        masters = MasterWeights(model)
    parameters = list(masters.parameters.values() if masters else model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, foreach=True)
    size = (preset.size.height, preset.size.width)
    batch = LatentBatch(
        latents={s: torch.randn_like(x.float()) for s, x in blank_latents(preset, size, frames, clips).items()},
        text=blank_text(preset, clips), frames=frames,
    )  # fmt: skip

    def step() -> None:
        noised = draw_noise(batch, ObjectiveConfig(), progress=1.0, generator=torch.Generator().manual_seed(0))
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            losses = flow_losses(model, noised)
        losses.total.backward()
        if masters:
            masters.collect()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad()
        if masters:
            masters.publish()

    return step


@contextmanager
def as_on_a_gpu() -> Iterator[None]:
    """Layer norms under autocast in float32, and RMS norms as one kernel, for which a layer norm stands in."""
    layer_norm, rms_norm = F.layer_norm, F.rms_norm

    def one_kernel(x, shape, weight=None, bias=None, eps=1e-5):  # type: ignore[no-untyped-def]
        if torch.is_autocast_enabled("cpu"):
            x, weight, bias = (y if y is None else y.float() for y in (x, weight, bias))
        return layer_norm(x, shape, weight, bias, eps)

    F.layer_norm = one_kernel
    F.rms_norm = lambda x, shape, weight=None, eps=None: layer_norm(x, shape, weight, None, eps or 1e-6)
    try:
        yield
    finally:
        F.layer_norm, F.rms_norm = layer_norm, rms_norm


def profiled_copies(profiler: profile) -> tuple[int, int]:
    """Calls of aten::copy_, those inside other operations too, and the bytes that they read and write."""
    calls = moved = 0
    for event in profiler.profiler.kineto_results.events():  # type: ignore[union-attr]
        if event.name() == "aten::copy_":
            calls += 1
            for shape, kind in zip(event.shapes()[:2], event.dtypes()[:2], strict=True):
                elements = 1
                for length in shape:
                    elements *= length
                moved += elements * BYTES.get(kind, 4)
    return calls, moved


if __name__ == "__main__":
    main()
