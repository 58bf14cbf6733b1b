"""Hard caps on memory: which arrangement is taken, what it peaks at, and how much slower it is."""

import threading
from pathlib import Path

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
    bench.add("memory", f"{name}, decoding video", seconds["decode video"], "s")
    captions = pipeline.loaded.captions
    if captions is not None:
        with HostMemory() as host:
            spent = bench.once(lambda: captions.encode(["A caption that is new"]))
        bench.add("memory", f"{name}, a new caption", spent, "s")
        bench.add("memory", f"{name}, host memory that it takes", host.grew_bytes / 1e9, "GB")


class HostMemory:
    """How much a process' own memory grows inside a block; files that are mapped do not count.

    Attributes:
        grew_bytes: the most seen above what it was at first.
    """

    def __enter__(self) -> "HostMemory":
        self.grew_bytes, self._before = 0, own_bytes()
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.grew_bytes = max(self.grew_bytes, own_bytes() - self._before)


def own_bytes() -> int:
    """Memory that is the process' own, locked pages included; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon", "RssShmem")))
