"""Video decoding: what runs use beside diffusers' decoder, and the forms that could be faster."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from full.bench import Bench, filled, psnr
from unison_core.codecs import video_vae
from unison_core.codecs.causal_conv import Direct, Winograd
from unison_core.codecs.lean_decoder import EAGER, LeanDecoder, compiled

DECODE_S, EQUAL_DB = 3.0, 45.0
KERNELS = 12
"""Kernels that are listed, by the time they take."""


@torch.inference_mode()
def run(bench: Bench) -> None:
    """Seconds, peak memory and PSNR against diffusers in float32; a form that fails is a row that says so."""
    with torch.device("meta"):
        vae = video_vae.build_video_vae(bench.preset.codecs.video)
    vae = filled(vae, bench.device)
    stride = bench.preset.codecs.video.spatial_stride
    t = bench.preset.timing.video_latents(bench.frames)
    z = torch.randn(1, bench.preset.codecs.video.z_dim, t, bench.size[1] // stride, bench.size[0] // stride,
                    device=bench.device)  # fmt: skip
    kept: list[Tensor] = []
    seconds = bench.once(lambda: kept.append(vae.decode(z).sample.float().cpu()))
    exact = kept.pop()
    bench.add("decoding", "diffusers, float32, to the host", seconds, "s")
    default = video_vae.latents_per_chunk(vae, z)

    def lean(latents: int = default, **settings: Any) -> Callable[[], Tensor]:
        def call() -> Tensor:
            pieces = LeanDecoder(vae, bench.dtype, **settings).frames(z, latents)
            return torch.cat(list(pieces), dim=1).permute(0, 4, 1, 2, 3)

        return call

    def autocast() -> Tensor:
        with torch.autocast(bench.device.type, bench.dtype, enabled=bench.dtype != torch.float32):
            return vae.decode(z).sample  # type: ignore[no-any-return]

    def show(name: str, call: Callable[[], Tensor], judged: bool = True) -> None:
        try:
            first = bench.once(lambda: kept.append(call().float().clamp(-1, 1).cpu()))
            quality = psnr(kept.pop(), exact)
            seconds: list[float] = []
            peak = bench.peak_bytes(lambda: seconds.append(bench.once(call)))
        except Exception as error:  # one form's failure leaves the others their turn
            kept.clear()
            bench.add("decoding", f"{name} failed: {str(error).splitlines()[0][:160]}", 0.0, "", "runs", False)
            return
        asked = f"at most {DECODE_S:g} s within {EQUAL_DB:g} dB" if judged else ""
        passed = seconds[0] <= DECODE_S and quality >= EQUAL_DB if judged else None
        about = f"{quality:.1f} dB, {peak / 1e9:.1f} GB, first call {first:.1f} s"
        bench.add("decoding", f"{name} ({about})", seconds[0], "s", asked, passed)

    fused = EAGER
    if bench.compile:
        fused = compiled()
        show("lean, compiled (what --compile uses)", lean(pointwise=fused))
    show("lean (what runs use)", lean(pointwise=EAGER))
    kernels(bench, lean(pointwise=fused))
    show(f"lean, {2 * default} latents at a time", lean(2 * default, pointwise=EAGER), judged=False)
    show("lean, 3-D convolutions", lean(conv=Direct, pointwise=EAGER), judged=False)
    with autotuned():
        show("lean, cuDNN autotuned", lean(conv=Winograd, pointwise=fused), judged=False)
    show("diffusers, autocast", autocast, judged=False)


def kernels(bench: Bench, call: Callable[[], Tensor]) -> None:
    """Print the kernels that take the most time in one decoding."""
    if bench.device.type != "cuda":
        return
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        call()
        bench.wait()
    rows = sorted(seen.key_averages(), key=lambda row: -row.self_device_time_total)
    for row in rows[:KERNELS]:
        print(f"  {row.self_device_time_total / 1e6:.3f} s in {row.count} of {row.key[:110]}", flush=True)


@contextmanager
def autotuned() -> Any:
    """cuDNN tries its algorithms on every new shape."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
