"""One forward: the joint model beside diffusers' Wan2.2 in the same run, eager and compiled, and against the limit."""

import time

import torch

from full.bench import Bench, filled, inputs, random_model
from unison_core.pipelines.attention_backend import fastest_attention
from unison_core.pipelines.workload import forward_flops

OVER_VIDEO_ONLY = 1.10
OF_LIMIT = 0.75
COMPILE_S = 30.0


@torch.inference_mode()
def run(bench: Bench) -> None:
    """Peers first, then ours, under the fastest attention for both."""
    video = bench.preset.model.video
    shape = (1, video.heads, bench.video_tokens, video.dim // video.heads)
    peers(bench, "PyTorch's attention")
    bench.free()
    with fastest_attention(bench.device, shape, bench.dtype) as name:
        if name != "PyTorch's choice":
            peers(bench, name)
            bench.free()
        ours(bench, name)


def peers(bench: Bench, attention: str) -> None:
    """diffusers' Wan2.2 of the same sizes: eager, with a timestep per token, and with its repeated blocks compiled."""
    from diffusers import WanTransformer3DModel

    video = bench.preset.model.video
    with torch.device("meta"):
        wan = WanTransformer3DModel(
            patch_size=video.patch, num_attention_heads=video.heads, attention_head_dim=video.dim // video.heads,
            in_channels=video.latent_channels, out_channels=video.latent_channels, text_dim=video.text_dim,
            freq_dim=video.freq_dim, ffn_dim=video.ffn_dim, num_layers=video.blocks,
        )  # fmt: skip
    rope = type(wan.rope)(video.dim // video.heads, video.patch, wan.config.rope_max_seq_len)
    wan = filled(wan.to(bench.dtype), bench.device)
    wan.rope = rope.to(bench.device)
    t = bench.preset.timing.video_latents(bench.frames)
    stride = bench.preset.codecs.video.spatial_stride
    latents = torch.randn(1, video.latent_channels, t, bench.size[1] // stride, bench.size[0] // stride,
                          device=bench.device, dtype=bench.dtype)  # fmt: skip
    text = torch.zeros(1, bench.preset.model.caption.length, video.text_dim, device=bench.device, dtype=bench.dtype)
    one = torch.full((1,), 600.0, device=bench.device)
    per_token = torch.full((1, bench.video_tokens), 600.0, device=bench.device)
    eager = bench.seconds(lambda: wan(latents, one, text))
    bench.add("forward", f"diffusers Wan2.2 video only, eager, {attention}", eager, "s")
    bench.add("forward", f"the same with a timestep per token, {attention}",
              bench.seconds(lambda: wan(latents, per_token, text)), "s")  # fmt: skip
    bench.shared["peer eager"] = min(eager, bench.shared.get("peer eager", eager))
    if not bench.compile:
        return
    wan.compile_repeated_blocks(fullgraph=True)
    bench.add("forward", f"diffusers, compiling its repeated blocks, {attention}",
              bench.once(lambda: wan(latents, one, text)), "s")  # fmt: skip
    compiled = bench.seconds(lambda: wan(latents, one, text))
    bench.add("forward", f"diffusers Wan2.2 video only, compiled, {attention}", compiled, "s")
    bench.shared["peer compiled"] = min(compiled, bench.shared.get("peer compiled", compiled))


def ours(bench: Bench, attention: str) -> None:
    """The joint model: video, both audio streams, all nodes."""
    model = random_model(bench)
    arguments = inputs(bench, model)
    eager = bench.seconds(lambda: model(*arguments))
    peer = bench.shared["peer eager"]
    bench.add("forward", f"joint forward, eager, {attention}", eager, "s",
              f"at most diffusers' eager {peer:.3g} s", eager <= peer)  # fmt: skip
    if not bench.compile:
        return
    start = time.perf_counter()
    model.compile_blocks()
    model(*arguments)
    bench.wait()
    spent = time.perf_counter() - start
    bench.add("forward", "compiling the repeated blocks, as this machine's cache has it", spent, "s",
              f"at most {COMPILE_S:g} s", spent <= COMPILE_S)  # fmt: skip
    compiled = bench.seconds(lambda: model(*arguments))
    limit = OVER_VIDEO_ONLY * bench.shared["peer compiled"]
    bench.add(
        "forward",
        f"joint forward, compiled, {attention}",
        compiled,
        "s",
        f"at most {OVER_VIDEO_ONLY:g} of diffusers' compiled video only, {limit:.3g} s",
        compiled <= limit,
    )
    bench.shared["forward"] = compiled
    flops = forward_flops(bench.preset, bench.size, bench.frames)
    video = bench.preset.model.video
    attended = 4 * video.blocks * video.dim * bench.video_tokens**2
    if {"matmul", "attention"} <= bench.shared.keys():
        best = (flops - attended) / bench.shared["matmul"] + attended / bench.shared["attention"]
        bench.add("forward", f"limit of {flops / 1e12:.4g} TFLOP at this run's ceilings", best, "s")
        share = best / compiled
        bench.add("forward", "share of the limit", share, "", f"at least {OF_LIMIT:g}", share >= OF_LIMIT)
    bench.add("forward", "peak memory of a forward", bench.peak_bytes(lambda: model(*arguments)) / 1e9, "GB")
    doubled = inputs(bench, model, rows=2)
    bench.add("forward", "two rows at once (a guided step)", bench.seconds(lambda: model(*doubled)), "s")
