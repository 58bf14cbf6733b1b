"""Prints how long a training step of the separator takes, forward and backward, computed in four ways.

    python benchmarks/separator_step.py [--batch 64] [--steps 5] [--phones FOLDER]

Mixtures are noise, the objective is the one of examples/configs/nano-separator.yaml (`phones` with a classifier made by
nano-phones.yaml). On a GPU every way is recorded as a CUDA graph; on a CPU nothing is, and compilation takes minutes.
Gradients are compared with those of float32, not compiled.
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from unison_core.config import read_yaml
from unison_core.pipelines.device import choose_device, device_name
from unison_core.separation.config import load_separator_preset
from unison_core.separation.find import DEFAULT_SEPARATOR, find_separator
from unison_core.separation.inverse_stft import HostFreeISTFT
from unison_core.separation.local_mixing import start_from
from unison_core.separation.mel_roformer import build_separator, compile_parts
from unison_core.training.graphed import GraphedBackward
from unison_core.training.phone_classifier import load_phone_classifier
from unison_core.training.separation_loss import SeparationObjective

CONFIG = Path(__file__).parent.parent / "examples" / "configs" / "nano-separator.yaml"
WAYS = ((False, "fp32"), (False, "bf16"), (True, "fp32"), (True, "bf16"))
WARM_UP = 3
"""Passes before the clock: a graph's second pass is recorded, its third replayed."""


def main() -> None:
    """Print the table."""
    args = arguments()
    device = choose_device(args.device)
    torch.set_float32_matmul_precision("high")
    if device.type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)  # as in training
    print(f"{device_name(device)}, torch {torch.__version__}, {args.batch} mixtures a step\n")
    print("| compiled | precision | ms a step | mixtures/s | gradients from float32's | ready after s | peak GB |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    exact = None
    for compiled, precision in WAYS:
        begun = time.perf_counter()
        step, gradients = prepared(args, device, compiled, precision)
        ready = time.perf_counter() - begun
        seconds = timed(step, args.steps, device)
        found = torch.cat([p.grad.flatten().float() for p in gradients if p.grad is not None])
        exact = found if exact is None else exact
        apart = float((found - exact).norm() / exact.norm())
        peak = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else 0.0
        print(f"| {'yes' if compiled else 'no'} | {precision} | {1000 * seconds:.0f} | {args.batch / seconds:.0f} | "
              f"{apart:.4f} | {ready:.0f} | {peak:.1f} |", flush=True)  # fmt: skip


def prepared(args: argparse.Namespace, device: torch.device, compiled: bool, precision: str):  # type: ignore[no-untyped-def]
    """A step that has run a few times, and the parameters whose gradients it leaves."""
    torch.compiler.reset()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    preset, config = load_separator_preset("nano"), read_yaml(CONFIG)
    torch.manual_seed(0)
    model = build_separator(preset)
    start_from(model, find_separator(DEFAULT_SEPARATOR).load().state_dict())
    objective = SeparationObjective(
        model, config["detail_weight"], reading_weight=config["reading_weight"], hardness=config["hardness"],
        missing_weight=config["missing_weight"], decibel_weight=config["decibel_weight"], rate_hz=preset.rate_hz,
        phones=load_phone_classifier(args.phones, preset.rate_hz) if args.phones else None,
        phones_weight=config["phones_weight"] if args.phones else 0.0,
    ).to(device)  # fmt: skip
    if compiled:
        compile_parts(model, dynamic=False)

    def losses(waves: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        with HostFreeISTFT(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            found = objective(waves["speech"], waves["mix"])
        return found["loss"], found

    backward = GraphedBackward(losses, model.parameters())
    speech, sounds = 0.1 * torch.randn(2, args.batch, preset.window, device=device)
    waves = {"speech": speech, "mix": speech + sounds}
    for _ in range(WARM_UP if device.type == "cuda" else 1):
        backward(waves)
    return lambda: backward(waves), list(model.parameters())


def timed(step, count: int, device: torch.device) -> float:  # type: ignore[no-untyped-def]
    """Seconds of one of `count` steps."""
    wait(device)
    begun = time.perf_counter()
    for _ in range(count):
        step()
    wait(device)
    return (time.perf_counter() - begun) / count


def wait(device: torch.device) -> None:
    """Until the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--phones", type=Path, help="folder of a phone classifier")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


if __name__ == "__main__":
    main()
