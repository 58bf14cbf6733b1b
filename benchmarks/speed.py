"""Prints how long a clip takes to generate, as a multiple of its length, and where the time goes.

    python benchmarks/speed.py [--threads 2] [--duration 3] [--repeats 3] [--json FILE]

Process start and loading are excluded, loading is told apart. The first clip pays for what is set up lazily; it is the
figure that counts, and the median of the later ones stands beside it. Multiples of the clip's length depend on the
machine, which is printed too.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import torch

from unison_core.errors import UnisonError
from unison_core.pipelines.record import versions
from unison_core.pipelines.unison_pipeline import UnisonPipeline
from unison_core.text.prompt import encode_prompts
from unison_core.training.memory import peak_memory_gb
from unison_core.types import Prompt

CAPTION = "A woman with long red hair in a green coat talks against a grey wall while a drum is struck."
TRANSCRIPT = "We start again in five minutes."
MOST_TIMES, MOST_GB = 10.0, 4.0
"""What is asked for: ten times the clip's length on two cores, in under 4 GB."""


def main() -> int:
    """Run the benchmark."""
    args = arguments()
    torch.set_num_threads(args.threads)
    pipeline = UnisonPipeline.from_pretrained(args.model, device=args.device, precision=args.precision)
    runs = [time_clip(pipeline, args.duration, args.steps, seed) for seed in range(args.repeats)]
    first = runs[0]
    rows = [
        f"| {part} | {seconds / args.duration:.2f} | {_later(runs, part, args.duration)} |"
        for part, seconds in first.items()
    ]
    peak_gb = peak_memory_gb(torch.device("cpu"))
    times = first["total"] / args.duration
    print(f"clip {args.duration:g} s, {args.threads} threads, {pipeline.device}, {torch.get_num_threads()} used")
    print(f"machine: {machine()}; {', '.join(f'{name} {number}' for name, number in versions().items())}\n")
    print("| part | first clip, times its length | later clips, median |\n| --- | ---: | ---: |")
    print("\n".join(rows))
    print(f"\nloading: {pipeline.load_s / args.duration:.2f} times the clip's length")
    print(f"first clip: {times:.2f} times its length, at most {MOST_TIMES:g} asked: {_verdict(times <= MOST_TIMES)}")
    print(f"peak memory: {peak_gb:.2f} GB, at most {MOST_GB:g} asked: {_verdict(peak_gb <= MOST_GB)}")
    if args.json:
        data = {"runs_s": runs, "load_s": pipeline.load_s, "peak_gb": peak_gb, "duration_s": args.duration,
                "threads": args.threads, "machine": machine(), "versions": versions()}  # fmt: skip
        args.json.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return 0 if times <= MOST_TIMES and peak_gb <= MOST_GB else 1


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="unison-nano", help="bundled name, folder or Hub id")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--duration", type=float, default=3.0, help="length of the clip in seconds")
    parser.add_argument("--steps", type=int, help="sampling steps, where not the preset's")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the seconds as well")
    return parser.parse_args()


def time_clip(pipeline: UnisonPipeline, duration_s: float, steps: int | None, seed: int) -> dict[str, float]:
    """Seconds by part of one clip, from the call of `generate` to files on disk."""
    with tempfile.TemporaryDirectory() as folder, forward_times(pipeline) as forwards:
        start = time.perf_counter()
        made = pipeline.generate(caption=CAPTION, transcript=TRANSCRIPT, duration_s=duration_s, seed=seed, steps=steps)
        generated = time.perf_counter()
        made.save(Path(folder) / "clip")
        end = time.perf_counter()
    text_s = time_text(pipeline, duration_s)
    parts = dict(made.metadata["timings_s"])
    parts.pop("load")
    sampling_s = parts.pop("sample") + parts.pop("text")
    return {
        f"model, {len(forwards)} forwards": sum(forwards),
        "text": text_s,
        "sampling, the rest": sampling_s - sum(forwards) - text_s,
        **parts,
        "writing": end - generated,
        "total": end - start,
    }


def time_text(pipeline: UnisonPipeline, duration_s: float) -> float:
    """Seconds to turn caption and transcript into what the model reads, with and without the words."""
    frames = pipeline.preset.timing.frames_covering(duration_s)
    start = time.perf_counter()
    with torch.inference_mode():
        for prompt in (Prompt(caption=CAPTION, transcript=TRANSCRIPT), Prompt()):
            dropped = not prompt.caption
            text = encode_prompts([prompt], pipeline.preset, [duration_s], dropped=dropped)
            pipeline.model.encode(text.to(str(pipeline.device)), frames)
    return time.perf_counter() - start


@contextmanager
def forward_times(pipeline: UnisonPipeline) -> Iterator[list[float]]:
    """Collects the seconds of every forward of the joint model."""
    seconds: list[float] = []
    before = pipeline.model.register_forward_pre_hook(lambda *_: seconds.append(-time.perf_counter()))
    after = pipeline.model.register_forward_hook(lambda *_: seconds.append(seconds.pop() + time.perf_counter()))
    try:
        yield seconds
    finally:
        before.remove()
        after.remove()


def machine() -> str:
    """Processor and system."""
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    return f"{cpu}, {platform.system()}, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).is_file() else []


def _later(runs: list[dict[str, float]], part: str, duration_s: float) -> str:
    later = [run[part] for run in runs[1:] if part in run]
    return f"{median(later) / duration_s:.2f}" if later else ""


def _verdict(passed: bool) -> str:
    return "pass" if passed else "miss"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UnisonError as error:
        sys.exit(f"error: {error}")
