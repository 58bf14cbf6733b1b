"""Prints how fast a separator's windows are computed on a GPU, against the package's plain loop.

    python benchmarks/separate_speed.py [--preset vocals] [--batch 4,8] [--windows 16] [--json FILE]

Weights are random: speed does not depend on them. The plain loop is the package's model, eager, window after window, in
float32, with TF32 and under bf16 autocast. Ours are batches of windows with fused attention: in TF32, eager; then, as
`unison separate --compile` does, in float16 (or --precision) in the middle and TF32 at the ends, compiled for every
batch anew. Real-time factor: seconds of recording per second, the overlap of windows paid for.
Deviation: of our output from the same weights' in float32. Matrix ceiling: a bf16 product of 8192 x 8192 here.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch._dynamo
from command_line import names_of
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from unison_core.separation.config import SeparatorConfig, load_separator_preset
from unison_core.separation.mel_roformer import build_separator, plain_separator
from unison_core.separation.precision import PRECISIONS
from unison_core.separation.separator import Separator

LEAST_SPEEDUP, MOST_DEVIATION_DB = 1.5, -50.0
BEGAN = time.perf_counter()


def main() -> int:
    """Run the benchmark."""
    args = arguments()
    device = torch.device(args.device)
    config = load_separator_preset(args.preset)
    torch.manual_seed(0)
    plain = plain_separator(config).to(device).eval()
    windows = recording(config, args.windows, device)
    seconds = config.step / config.rate_hz
    torch.set_float32_matmul_precision("highest")
    reference = fused(config, plain, device)
    with torch.inference_mode():
        exact = torch.cat([reference(w) for w in windows[: args.checked].split(1)])
    tflop = flop(plain, windows[:1]) / 1e12
    ceiling = matrix_ceiling(device) if device.type == "cuda" else float("nan")
    millions = sum(p.numel() for p in plain.parameters()) / 1e6
    print(f"{args.preset}: {millions:.1f} M parameters, {tflop:.3f} TFLOP a window")
    print(f"device: {name(device)}, torch {torch.__version__}; matrix ceiling {ceiling:.0f} TFLOP/s in bf16\n")
    print(
        "| way | batch | windows/s | times real time | of the ceiling | deviation dB |\n|---|---:|---:|---:|---:|---:|"
    )
    rows: list[dict[str, float | int | str]] = []

    def report(way: str, batch: int, rate: float, made: Tensor) -> None:
        row = {"way": way, "batch": batch, "windows_per_s": rate, "real_time": rate * seconds,
               "of_ceiling": rate * tflop / ceiling, "deviation_db": deviation(made, exact)}  # fmt: skip
        rows.append(row)
        print(f"| {way} | {batch} | {rate:.2f} | {row['real_time']:.1f} | {100 * rate * tflop / ceiling:.1f} % | "
              f"{row['deviation_db']:.1f} |", flush=True)  # fmt: skip

    for way, matmul, autocast in (("plain, fp32", "highest", False), ("plain, TF32", "high", False),
                                  ("plain, bf16 autocast", "high", True)):  # fmt: skip
        torch.set_float32_matmul_precision(matmul)
        progress(way)
        try:
            report(way, 1, *timed(lambda w: plain(w), windows, 1, args.checked, autocast))
        except RuntimeError as error:
            print(f"| {way} | 1 | fails: {str(error).splitlines()[0][:80]} |  |  |  |")
    torch.set_float32_matmul_precision("high")
    ways = [("ours, TF32", torch.float32, args.batch[0], False)]
    for name_ in args.precision:
        way = f"ours, {name_}" if args.eager else f"ours, {name_}, compiled"
        ways += [(way, PRECISIONS[name_], batch, not args.eager) for batch in args.batch]
    for way, precision, batch, compiled in ways:
        progress(f"{way}, batch {batch}{': compiling' if compiled else ''}")
        torch._dynamo.reset()
        separator = Separator(config, fused(config, plain, device), device, precision, batch=batch, compiled=compiled)
        report(way, batch, *timed(separator._rows, windows, batch, args.checked, False))
        del separator
    torch.set_float32_matmul_precision("highest")
    return verdict(rows, args.json)


def timed(
    run: Callable[[Tensor], Tensor], windows: Tensor, batch: int, checked: int, autocast: bool
) -> tuple[float, Tensor]:
    """Windows per second after a warm-up, and the output of the first `checked` windows."""
    device = windows.device
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        first = torch.cat([run(part) for part in windows[: max(checked, batch)].split(batch)])[:checked]
        run(windows[:batch])
        wait(device)
        start = time.perf_counter()
        for part in windows.split(batch):
            run(part)
        wait(device)
        return len(windows) / (time.perf_counter() - start), first


def recording(config: SeparatorConfig, count: int, device: torch.device) -> Tensor:
    """Windows `(count, channels, W)` of swelling noise and tones."""
    generator = torch.Generator(device).manual_seed(1)
    noise = torch.randn(count, config.channels, config.window, generator=generator, device=device)
    time_s = torch.arange(config.window, device=device) / config.rate_hz
    tones = sum((torch.sin(6.2832 * 220 * k * time_s) / k for k in range(1, 12)), torch.zeros_like(time_s))
    return 0.05 * noise * (1 + torch.sin(6.2832 * 3 * time_s)) + 0.1 * tones


def fused(config: SeparatorConfig, plain: nn.Module, device: torch.device) -> nn.Module:
    """The project's model with the weights of `plain`."""
    model = build_separator(config)
    model.load_state_dict({k: v for k, v in plain.state_dict().items() if not k.endswith("rotary_embed.freqs")})
    return model.to(device).eval()


def flop(model: nn.Module, window: Tensor) -> int:
    """Operations of the matrix products and attentions of one window (a multiply-add counts as two)."""
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        model(window)
    return counter.get_total_flops()


def matrix_ceiling(device: torch.device) -> float:
    """TFLOP/s of large bf16 products."""
    a, b = (torch.randn(8192, 8192, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        a @ b
    wait(device)
    start = time.perf_counter()
    for _ in range(30):
        a @ b
    wait(device)
    return 30 * 2 * 8192**3 / (time.perf_counter() - start) / 1e12


def progress(what: str) -> None:
    """Say on stderr what is being measured, and when it began."""
    print(f"  [{time.perf_counter() - BEGAN:.0f} s] {what}", file=sys.stderr, flush=True)


def deviation(made: Tensor, exact: Tensor) -> float:
    """Level of the difference under the exact output, in dB."""
    return float(20 * ((made.float() - exact).norm() / exact.norm()).log10())


def wait(device: torch.device) -> None:
    """Until the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def name(device: torch.device) -> str:
    """What the device is sold as."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def verdict(rows: list[dict[str, float | int | str]], path: Path | None) -> int:
    """Compare the fastest of ours that deviates little enough with what is asked for; write `path`."""
    plain = {str(row["way"]): float(row["windows_per_s"]) for row in rows if str(row["way"]).startswith("plain")}
    ours = [row for row in rows if str(row["way"]).startswith("ours")]
    exact = [row for row in ours if float(row["deviation_db"]) <= MOST_DEVIATION_DB]
    best = max(exact or ours, key=lambda row: float(row["windows_per_s"]))
    print()
    for way, rate in plain.items():
        print(f"{float(best['windows_per_s']) / rate:.2f} times the throughput of '{way}'")
    speedup = float(best["windows_per_s"]) / max(plain.values())
    reached = speedup >= LEAST_SPEEDUP and float(best["deviation_db"]) <= MOST_DEVIATION_DB
    print(f"'{best['way']}', batch {best['batch']}, against the fastest plain loop "
          f"{speedup:.2f} (at least {LEAST_SPEEDUP} asked), deviation "
          f"{float(best['deviation_db']):.1f} dB (at most {MOST_DEVIATION_DB:g} asked): "
          f"{'reached' if reached else 'not reached'}")  # fmt: skip
    if torch.cuda.is_available():
        print(f"peak GPU memory: {torch.cuda.max_memory_allocated() / 1e9:.1f} GB")
    if path:
        path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0 if reached else 1


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="vocals", help="separation/presets: vocals (public size) or nano")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", default="4,8", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--checked", type=int, default=4, help="windows whose deviation is measured")
    parser.add_argument("--precision", default="fp16", type=names_of("precision", PRECISIONS),
                        help="of the middle, such as fp16,bf16")  # fmt: skip
    parser.add_argument("--eager", action="store_true", help="do not compile")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
