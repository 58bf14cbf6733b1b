"""Video decoding: diffusers' plain decoder beside the chunked one, in the forms that could make it faster."""

from collections.abc import Callable

import torch
from torch import Tensor

from full.bench import Bench, filled, psnr
from unison_core.codecs import video_vae

DECODE_S, EQUAL_DB = 3.0, 45.0
TRIES = 2


@torch.inference_mode()
def run(bench: Bench) -> None:
    """Seconds, peak memory and PSNR against the first row, which is diffusers in float32."""
    with torch.device("meta"):
        vae = video_vae.build_video_vae(bench.preset.codecs.video)
    vae = filled(vae, bench.device)
    stride = bench.preset.codecs.video.spatial_stride
    t = bench.preset.timing.video_latents(bench.frames)
    z = torch.randn(1, bench.preset.codecs.video.z_dim, t, bench.size[1] // stride, bench.size[0] // stride,
                    device=bench.device)  # fmt: skip
    exact = vae.decode(z).sample.float().cpu()
    low = bench.dtype

    def autocast(call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        def inside() -> Tensor:
            with torch.autocast(bench.device.type, low, enabled=low != torch.float32):
                return call()

        return inside

    def show(name: str, call: Callable[[], Tensor], judged: bool = True) -> None:
        kept: list[Tensor] = []
        peak = bench.peak_bytes(lambda: kept.append(call().float().clamp(-1, 1).cpu()))
        quality = psnr(kept.pop(), exact)
        seconds = min(bench.once(call) for _ in range(min(TRIES, bench.repeats)))
        asked = f"at most {DECODE_S:g} s within {EQUAL_DB:g} dB" if judged else ""
        passed = seconds <= DECODE_S and quality >= EQUAL_DB if judged else None
        bench.add("decoding", f"{name} ({quality:.1f} dB, {peak / 1e9:.1f} GB)", seconds, "s", asked, passed)

    show("diffusers, float32", lambda: vae.decode(z).sample, judged=False)
    show("diffusers, autocast", autocast(lambda: vae.decode(z).sample), judged=False)
    show("chunked, autocast (what runs use)", autocast(lambda: video_vae.synthesise(vae, z)))
    show("tiled, autocast", autocast(lambda: video_vae.synthesise_tiled(vae, z)), judged=False)
    vae.to(low)
    show("chunked, weights in low precision", lambda: video_vae.synthesise(vae, z.to(low)))
    for p in vae.parameters():
        if p.ndim == 5:
            p.data = p.data.contiguous(memory_format=torch.channels_last_3d)
    show("the same, channels last", lambda: video_vae.synthesise(vae, z.to(low)))
    if not bench.compile:
        return
    for block in (vae.decoder.mid_block, *vae.decoder.up_blocks):
        for resnet in block.resnets:
            resnet.nonlinearity.compile()
            resnet.norm1.compile(dynamic=True)
            resnet.norm2.compile(dynamic=True)
    show("the same, norms and activations compiled", lambda: video_vae.synthesise(vae, z.to(low)))
