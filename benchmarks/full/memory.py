"""Hard caps on memory: which arrangement is taken, what it peaks at, and how much slower it is."""

import torch

from full.bench import Bench
from full.pipeline import random_pipeline, request

STEPS = 3
CAPS_GB = "80,48,24,16"


def run_cap(bench: Bench, cap_gb: float) -> None:
    """One process, one cap: a clip of a few steps under it."""
    total = torch.cuda.get_device_properties(bench.device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, cap_gb * 1e9 / total), bench.device)
    pipeline = random_pipeline(bench)
    said: list[str] = [pipeline.residence.plan.describe()]
    pipeline.tell = said.append
    pipeline.generate(request(bench, steps=1))
    torch.cuda.reset_peak_memory_stats(bench.device)
    clip = pipeline.generate(request(bench, steps=STEPS))
    print("; ".join(said), flush=True)
    reserved = torch.cuda.max_memory_reserved(bench.device) / 1e9
    plan = pipeline.residence.plan
    name = f"cap {cap_gb:g} GB: {plan.mode}, {plan.rows} rows at once{', tiled' if plan.tiled else ''}"
    bench.add("memory", f"{name}, peak", reserved, "GB", f"at most {cap_gb:g} GB", reserved <= cap_gb)
    seconds = clip.metadata["timings_s"]
    bench.add("memory", f"{name}, a guided step", seconds["sample"] / STEPS, "s")
    bench.add("memory", f"{name}, text", seconds["text"], "s")
    bench.add("memory", f"{name}, decoding video", seconds["decode video"], "s")
