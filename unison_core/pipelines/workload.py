"""How much a forward of the joint model computes, counted on tensors without data, and how fast a device multiplies."""

import time

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from unison_core.config import Preset
from unison_core.model.unison import Unison
from unison_core.types import AUDIO_STREAMS, VIDEO, CaptionFeatures, TextInputs


def _cpu_attention(q: torch.Size, k: torch.Size, v: torch.Size, *_: object, **__: object) -> int:
    return sdpa_flop_count(q, k, v)


CPU_ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _cpu_attention}
"""The counter knows the kernels of GPUs alone."""
PHONEMES = 60
"""Of a sentence of a few seconds; they weigh nothing against the picture."""


def forward_flops(preset: Preset, size: tuple[int, int], frames: int) -> int:
    """Floating-point operations of matrix products and attention in one forward of one row."""
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    with fake:
        model = Unison(preset.model, preset.timing)
    model.layout(frames, torch.device("cpu"))  # who attends to whom depends on numbers, and is cached
    with fake, torch.no_grad():
        conditions = model.encode(blank_text(preset, 1), frames)
        latents = blank_latents(preset, size, frames, 1)
        sigmas = {s: torch.ones(1, x.shape[2]) if s == VIDEO else torch.ones(1) for s, x in latents.items()}
        with FlopCounterMode(display=False, custom_mapping=CPU_ATTENTION) as counter:
            model(latents, sigmas, conditions)
    return counter.get_total_flops()


def blank_text(preset: Preset, rows: int, dtype: torch.dtype = torch.float32) -> TextInputs:
    """Prompts without content, of full length, on the default device."""
    config = preset.model
    captions = None
    if config.caption.kind == "external":
        audio = torch.zeros(rows, 77, config.audio.text_dim, dtype=dtype)
        captions = CaptionFeatures(
            video=torch.zeros(rows, config.caption.length, config.video.text_dim, dtype=dtype), audio=audio,
            audio_mean=audio.mean(1),
        )  # fmt: skip
    return TextInputs(
        caption_ids=torch.ones(rows, config.caption.length, dtype=torch.int64),
        phoneme_ids=torch.ones(rows, PHONEMES, dtype=torch.int64),
        phoneme_mask=torch.ones(rows, PHONEMES, dtype=torch.bool),
        phoneme_weights=torch.full((rows, PHONEMES), 0.05),
        span_s=torch.tensor([[0.2, 0.9]]).repeat(rows, 1),
        dropped=torch.zeros(rows, dtype=torch.bool),
        captions=captions,
    )


def blank_latents(
    preset: Preset, size: tuple[int, int], frames: int, rows: int, dtype: torch.dtype = torch.float32
) -> dict[str, torch.Tensor]:
    """Latents of zeros for a clip of `frames` at `size` (width, height), on the default device."""
    config, timing, stride = preset.model, preset.timing, preset.codecs.video.spatial_stride
    video = (config.video.latent_channels, timing.video_latents(frames), size[1] // stride, size[0] // stride)
    audio = (timing.audio_latents(frames), config.audio.latent_channels)
    return {VIDEO: torch.zeros(rows, *video, dtype=dtype)} | {
        s: torch.zeros(rows, *audio, dtype=dtype) for s in AUDIO_STREAMS
    }


def matmul_speed(device: torch.device, dtype: torch.dtype, seconds: float = 0.2) -> float:
    """Floating-point operations a second of square matrix products, measured now."""
    side = 8192 if device.type == "cuda" else 1024
    a = torch.randn(side, side, device=device, dtype=dtype)

    def run(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    run(2)
    once = max(run(1), 1e-6)
    count = max(1, int(seconds / once))
    return 2 * side**3 * count / run(count)
