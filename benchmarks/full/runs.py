"""The whole run, from words to files on disk, and the faster modes with what they deviate by."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from full.bench import Bench, psnr
from full.pipeline import random_pipeline, request
from unison_core.diffusion import generate_latents as sampling
from unison_core.pipelines.unison_pipeline import UnisonPipeline
from unison_core.types import STREAMS

NOT_FORWARDS = 0.10
FASTER = 2.5
INTERVAL, EVERY = (0.5, 0.95), 2
MODES = ("interval", "cache", "both", "fp8", "all")
"""Faster modes, as --modes names them; `all` is 8-bit products with both of the others."""


def run(bench: Bench) -> None:
    """Text to files: total, per part, and what share is not model forwards; then the faster modes."""
    pipeline = random_pipeline(bench)
    print(pipeline.residence.plan.describe(), flush=True)
    pipeline.speed_up(compile=bench.compile)
    pipeline.generate(request(bench, steps=2, caption="Another one"))  # compiles, loads what is loaded lazily
    forwards: list[float] = []
    made: list[Any] = []
    with tempfile.TemporaryDirectory() as folder, forward_seconds(bench, pipeline, forwards), recording() as exact:
        total = bench.once(lambda: made.append(pipeline.generate(request(bench)).save(Path(folder) / "clip")))
    parts = made[0].metadata["timings_s"]
    bench.add("run", f"{bench.steps} guided steps, text to files", total, "s")
    for part, seconds in parts.items():
        bench.add("run", f"of it: {part}", seconds, "s")
    bench.add("run", "of it: writing files", total - sum(v for k, v in parts.items() if k != "load"), "s")
    share = 1 - sum(forwards) / total
    bench.add(
        "run", f"share that is not model forwards ({len(forwards)})", share, "", f"at most {NOT_FORWARDS:g}",
        share <= NOT_FORWARDS,
    )  # fmt: skip
    faster(bench, pipeline, exact, parts["sample"])


def faster(bench: Bench, pipeline: UnisonPipeline, exact: list[dict], seconds: float) -> None:
    """Each mode's sampling seconds and the PSNR of its latents, in the end and over the steps."""
    bench.add("faster", "exact", seconds, "s")
    both = {"guidance_interval": INTERVAL, "cache_every": EVERY}
    few = request(bench, steps=8, **both)  # compiles for steps without guidance, which have one row
    if bench.modes & {"interval", "both"}:
        pipeline.generate(few)
    exactly: dict[str, tuple[str, dict[str, Any]]] = {
        "interval": (f"guidance within {INTERVAL[0]:g}-{INTERVAL[1]:g}", {"guidance_interval": INTERVAL}),
        "cache": (f"one step of {EVERY} in the middle", {"cache_every": EVERY}),
        "both": ("both", both),
    }
    for key, (name, settings) in exactly.items():
        if key in bench.modes:
            compare(bench, name, *sampled(bench, pipeline, **settings), exact, seconds)
    if not bench.modes & {"fp8", "all"}:
        return
    pipeline.speed_up(fp8=True, compile=bench.compile)
    pipeline.generate(request(bench, steps=2))
    if "fp8" in bench.modes:
        compare(bench, "8-bit products", *sampled(bench, pipeline), exact, seconds)
    if "all" in bench.modes:
        pipeline.generate(few)
        combined, spent = sampled(bench, pipeline, **both)
        compare(bench, "all of them", combined, spent, exact, seconds)
        gain = seconds / spent
        bench.add("faster", "all of them against exact", gain, "times", f"at least {FASTER:g}", gain >= FASTER)


def compare(bench: Bench, name: str, found: list[dict], spent: float, exact: list[dict], seconds: float) -> None:
    """Print a mode's time and deviation."""
    last = {stream: psnr(found[-1][stream], exact[-1][stream]) for stream in STREAMS}
    text = ", ".join(f"{stream} {db:.1f} dB" for stream, db in last.items())
    bench.add("faster", f"{name} ({seconds / spent:.2f} times; latents {text})", spent, "s")
    marks = sorted({round(i * (len(exact) - 1) / 5) for i in range(1, 6)})
    curve = [f"step {i}: {min(psnr(found[i]['video'], exact[i]['video']), 999.0):.1f}" for i in marks]
    print(f"  video latents over the steps, dB: {', '.join(curve)}", flush=True)


def sampled(bench: Bench, pipeline: UnisonPipeline, **settings: Any) -> tuple[list[dict], float]:
    """Latents before every step and after the last, and the seconds of sampling; copying them out costs little."""
    with recording() as steps:
        clip = pipeline.generate(request(bench, **settings))
    return steps, clip.metadata["timings_s"]["sample"]


@contextmanager
def recording() -> Iterator[list[dict]]:
    """Collect the latents at every step of the sampler."""
    steps: list[dict] = []
    plain = sampling.sample

    def watched(velocity: Any, start: Any, schedules: Any, **settings: Any) -> Any:
        def seen(x: Any, sigmas: Any) -> Any:
            steps.append({s: v.cpu() for s, v in x.items()})
            return velocity(x, sigmas)

        out = plain(seen, start, schedules, **settings)
        steps.append({s: v.cpu() for s, v in out.items()})
        return out

    sampling.sample = watched
    try:
        yield steps
    finally:
        sampling.sample = plain


@contextmanager
def forward_seconds(bench: Bench, pipeline: UnisonPipeline, seconds: list[float]) -> Iterator[None]:
    """Collect the seconds of every forward of the joint model; waiting for each costs the run next to nothing."""
    import time

    def begin(*_: object) -> None:
        bench.wait()
        seconds.append(-time.perf_counter())

    def end(*_: object) -> None:
        bench.wait()
        seconds.append(seconds.pop() + time.perf_counter())

    hooks = (pipeline.model.register_forward_pre_hook(begin), pipeline.model.register_forward_hook(end))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
