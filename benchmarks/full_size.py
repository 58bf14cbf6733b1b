"""Prints what the full size costs on this machine, with its ceilings and diffusers' Wan2.2 in the same run.

    python benchmarks/full_size.py                                   everything that one GPU shows
    python benchmarks/full_size.py --parts ceilings,forward          some of it
    python benchmarks/full_size.py --parts memory --caps 24,16       the run under these caps on memory alone
    torchrun --nproc-per-node 2 benchmarks/full_size.py --parts parallel

Weights are random: no figure but the deviation of the faster modes depends on what they say. 704x1280, 125 frames at 25
fps by default; `--frames 121 --fps 24` is diffusers' own example. Each row ends with what was asked
and whether it was met.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from command_line import names_of
from full import ceilings, decoding, forwards, memory, parallel, runs
from full.bench import Bench
from full.pipeline import captions_folder

from unison_core.config import load_preset
from unison_core.errors import UnisonError
from unison_core.pipelines.compiling import keep_compiled
from unison_core.pipelines.device import choose_device, choose_precision
from unison_core.pipelines.parallel import join, leave
from unison_core.pipelines.processes import world
from unison_core.pipelines.spelling import parse_size

PARTS = {"ceilings": ceilings.run, "forward": forwards.run, "decoding": decoding.run, "run": runs.run}
ALONE = (*PARTS, "memory")
ALL = (*ALONE, "parallel")


def main() -> int:
    """Run the parts that were asked for."""
    args = arguments()
    keep_compiled()
    place = world()
    device = choose_device(place.device(args.device))
    join(place, device)
    preset = load_preset(args.preset)
    if args.fps is not None:
        preset = replace(preset, timing=replace(preset.timing, fps=args.fps))
    bench = Bench(
        preset=preset, device=device, dtype=choose_precision(args.precision, device),
        size=parse_size(args.size), frames=args.frames, steps=args.steps, repeats=args.repeats,
        compile=not args.no_compile, modes=frozenset(args.modes), encoders=args.encoders,
    )  # fmt: skip
    if place.first and args.cap is None:
        clip = f"{bench.size[0]}x{bench.size[1]}, {bench.frames} frames at {preset.timing.fps:g} fps"
        print(f"{bench.machine()}\n{clip}, {bench.video_tokens:,} tokens of video, {bench.dtype}, "
              f"preset {bench.preset.name}, random weights\n")  # fmt: skip
    try:
        if args.cap is not None:
            memory.run_cap(bench, args.cap)
            return 0
        for part in args.parts:
            if part == "parallel":
                parallel.run(bench)
            elif part == "memory":
                caps(bench, args)
            else:
                PARTS[part](bench)
            bench.free()
    finally:
        leave(place)
    if args.json and place.first:
        data = {"machine": bench.machine(), "rows": [asdict(row) for row in bench.rows]}
        args.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return int(place.alone and any(row.passed is False for row in bench.rows))


def caps(bench: Bench, args: argparse.Namespace) -> None:
    """Every cap in a process of its own, so that none inherits what another reserved."""
    if bench.device.type != "cuda":
        print("memory: caps need a CUDA GPU", flush=True)
        return
    total = torch.cuda.get_device_properties(bench.device).total_memory / 1e9
    encoders = captions_folder(bench)
    for cap in args.caps:
        if cap > total:
            print(f"memory: cap {cap:g} GB is more than this GPU's {total:.0f} GB", flush=True)
            continue
        command = [sys.executable, __file__, "--cap", str(cap), "--preset", args.preset, "--device", args.device,
                   "--precision", args.precision, "--size", args.size, "--frames", str(args.frames)]  # fmt: skip
        if args.fps is not None:
            command += ["--fps", str(args.fps)]
        if encoders is not None:
            command += ["--encoders", str(encoders)]
        if subprocess.run(command, env=dict(os.environ)).returncode:
            bench.add("memory", f"cap {cap:g} GB failed", 0.0, "", "runs", False)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=ALONE, type=names_of("part", ALL), help=f"of {', '.join(ALL)}")
    parser.add_argument("--preset", default="5b", help="bundled name, or a YAML file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--size", default="1280x704")
    parser.add_argument("--frames", type=int, default=125, help="4k+1")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--modes", default=runs.MODES, type=names_of("mode", runs.MODES),
                        help=f"faster modes that the part `run` measures, of {', '.join(runs.MODES)}")  # fmt: skip
    parser.add_argument("--no-compile", action="store_true", help="eager code alone")
    parser.add_argument("--json", type=Path, help="write the figures as well")
    parser.add_argument("--caps", default=memory.CAPS_GB, type=lambda text: [float(gb) for gb in text.split(",")],
                        help="GB that the part `memory` may use, one run each")  # fmt: skip
    parser.add_argument("--fps", type=float, help="frames a second; the preset's where not given")
    parser.add_argument("--cap", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--encoders", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UnisonError as error:
        sys.exit(f"error: {error}")
