"""What the machine can do at most: matrix products, and attention by every backend at the clip's length."""

import torch

from full.bench import Bench
from unison_core.pipelines.attention_backend import available, measure
from unison_core.pipelines.workload import matmul_speed


def run(bench: Bench) -> None:
    """Print both ceilings and keep them for the parts that are judged by them."""
    speed = matmul_speed(bench.device, bench.dtype, 1.0)
    bench.shared["matmul"] = speed
    bench.add("ceilings", "matrix products, 8192 cubed", speed / 1e12, "TFLOP/s")
    video = bench.preset.model.video
    shape = (1, video.heads, bench.video_tokens, video.dim // video.heads)
    flops = 4 * shape[1] * shape[2] ** 2 * shape[3]
    seconds = measure(available(bench.device), bench.device, shape, bench.dtype)
    if not seconds:
        q = torch.randn(shape, device=bench.device, dtype=bench.dtype)
        attend = torch.nn.functional.scaled_dot_product_attention
        seconds = {"PyTorch's choice": bench.seconds(lambda: attend(q, q, q))}
    for name, spent in seconds.items():
        bench.add("ceilings", f"attention over {shape[2]:,} tokens, {name}", flops / spent / 1e12, "TFLOP/s")
    bench.shared["attention"] = flops / min(seconds.values())
