"""What of a model lies on the device when, and how much memory that takes: `--memory auto|full|offload|stream`.

    full     the joint model and the codecs stay on the device; the caption encoders visit it before sampling
    offload  one of caption encoders, joint model and codecs is on the device at a time, whole
    stream   the video branch's blocks visit the device one by one during sampling

Weights are counted exactly, on the meta device. Activations are estimated from the shapes that are live at once; the
benchmark `full_size.py` measures them.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch

from unison_core.codecs.video_vae import build_video_vae
from unison_core.config import Preset
from unison_core.errors import UsageError
from unison_core.model.unison import Unison

FULL, OFFLOAD, STREAM = "full", "offload", "stream"
MODES = (FULL, OFFLOAD, STREAM)
AUTO = "auto"
USABLE = 0.92
"""Share of the free memory that a plan may fill: allocators leave gaps."""
UMT5_PARAMETERS = {4096: 5_680_910_336}
"""Of the caption encoders by the width of the video branch's features; small ones are left out of account."""
CLIP_PARAMETERS = {1024: 352_984_064}
ROWS = 2
"""A guided step computes the prompt and what guidance moves away from, together or in turn."""
TILE_PIXELS = 256
"""Side of a tile of the video VAE, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Bytes that a clip takes on the device.

    Attributes:
        captions: caption encoders, the largest at a time. joint: joint model. blocks: of it, the video branch's blocks.
        codecs: all codecs. row: activations and text keys of one row of a step.
        decode: activations of decoding the video at once; decode_tiled: tile by tile.
    """

    captions: int
    joint: int
    blocks: int
    codecs: int
    row: int
    decode: int
    decode_tiled: int


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """How a clip is made within the memory that there is.

    Attributes:
        mode: full, offload or stream.
        rows: rows of a guided step that are computed together, 2 or 1.
        tiled: the video is decoded in tiles.
        peaks: bytes on the device by stage: captions, sampling, decoding.
        captions_on_host: the caption encoders do not fit and work on the CPU.
        fixed: the user chose the mode, so running out of memory does not change it.
    """

    mode: str
    rows: int
    tiled: bool
    peaks: Mapping[str, int]
    captions_on_host: bool = False
    fixed: bool = False

    def describe(self) -> str:
        """One line for the user."""
        peak = max(self.peaks, key=lambda stage: self.peaks[stage])
        extras = [text for text, on in (("guidance in turn", self.rows == 1), ("tiled decoding", self.tiled),
                                        ("captions on the CPU", self.captions_on_host)) if on]  # fmt: skip
        about = f"about {self.peaks[peak] / 1e9:.1f} GB at most, in {peak}"
        return f"memory: {self.mode} ({', '.join([about, *extras])})"


def needs(preset: Preset, size: tuple[int, int], frames: int, dtype: torch.dtype) -> Needs:
    """What a clip of `frames` (4k+1) at `size` (width, height) takes."""
    joint, blocks = _joint_bytes(preset, dtype)
    video = preset.model.video
    stride = preset.codecs.video.spatial_stride
    tokens = preset.timing.video_latents(frames) * (size[1] // stride // video.patch[1]) * (
        size[0] // stride // video.patch[2]
    )  # fmt: skip
    # A block's widest moment: residual, norm in float32, the MLP's hidden layer before and after its activation.
    row = tokens * (2 * video.ffn_dim * dtype.itemsize + video.dim * (2 * dtype.itemsize + 16))
    row += 2 * video.blocks * preset.model.caption.length * video.dim * dtype.itemsize
    pixels = size[0] * size[1]
    return Needs(
        captions=_captions_bytes(preset, dtype),
        joint=joint,
        blocks=blocks,
        codecs=_codec_bytes(preset),
        row=row,
        decode=_decode_bytes(preset, pixels, dtype) + _frames_bytes(pixels, frames),
        decode_tiled=_decode_bytes(preset, min(pixels, TILE_PIXELS**2), dtype) + 2 * _frames_bytes(pixels, frames),
    )


def plan_memory(need: Needs, free: int, wanted: str = AUTO) -> MemoryPlan:
    """The first arrangement that fits into `free` bytes; the smallest, where none does.

    Those that decode the video whole come first: tiles cost more than weights that come and go (at 5b on an H100 19 s
    in place of 4, against a few seconds a clip).

    Args:
        need: of the largest clip to be made.
        free: bytes on the device.
        wanted: auto, or the mode that the user asks for.

    Raises:
        UsageError: `wanted` is no mode.
    """
    if wanted not in (AUTO, *MODES):
        raise UsageError(f"memory {wanted!r} is none of {', '.join((AUTO, *MODES))}")
    plans = [plan for plan in arrangements(need, free, wanted != AUTO) if wanted in (AUTO, plan.mode)]
    usable = int(free * USABLE)
    fitting = [plan for plan in plans if max(plan.peaks.values()) <= usable]
    return min(fitting, key=lambda plan: plan.tiled) if fitting else plans[-1]


def arrangements(need: Needs, free: int, fixed: bool = False) -> Iterator[MemoryPlan]:
    """All arrangements from the fastest to the smallest."""
    usable = int(free * USABLE)
    for mode in MODES:
        stays = need.joint + need.codecs if mode == FULL else 0
        sampling = {FULL: stays, OFFLOAD: need.joint, STREAM: need.joint - need.blocks}[mode]
        if mode == STREAM:
            sampling += need.blocks // 10  # two blocks of thirty, and the one that is being dropped
        decoding = max(stays, need.codecs)
        for rows in (ROWS, 1):
            tiled = decoding + need.decode > usable
            on_host = need.captions > usable
            yield MemoryPlan(
                mode=mode, rows=rows, tiled=tiled, fixed=fixed, captions_on_host=on_host,
                peaks={
                    "captions": stays if on_host else stays + need.captions,
                    "sampling": sampling + rows * need.row,
                    "decoding": decoding + (need.decode_tiled if tiled else need.decode),
                },
            )  # fmt: skip


def smaller(plan: MemoryPlan, need: Needs, free: int) -> MemoryPlan | None:
    """What to try after running out of memory: the least of the same mode, then of the next, captions on the CPU last.

    None where that is all, or where the user fixed the mode.
    """
    if plan.fixed:
        return None
    modes = MODES[MODES.index(plan.mode) + (plan.rows == 1 and plan.tiled) :]
    if not modes:
        return None if plan.captions_on_host or not need.captions else replace(plan, captions_on_host=True)
    least = next(p for p in arrangements(need, free) if p.mode == modes[0] and p.rows == 1)
    return replace(least, tiled=True, captions_on_host=plan.captions_on_host)


def free_bytes(device: torch.device) -> int:
    """Bytes that can still be allocated on the device, a cap on this process taken into account."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        limit = torch.cuda.get_per_process_memory_fraction(device) * total
        mine = torch.cuda.memory_reserved(device)
        return int(max(0, min(free + mine, limit) - torch.cuda.memory_allocated(device)))
    import os

    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 1 << 62


def _joint_bytes(preset: Preset, dtype: torch.dtype) -> tuple[int, int]:
    with torch.device("meta"):
        model = Unison(preset.model, preset.timing)
    joint, blocks = (sum(p.numel() for p in module.parameters()) for module in (model, model.video.blocks))
    return joint * dtype.itemsize, blocks * dtype.itemsize


def _captions_bytes(preset: Preset, dtype: torch.dtype) -> int:
    if preset.model.caption.kind != "external":
        return 0
    video = UMT5_PARAMETERS.get(preset.model.video.text_dim, 0)
    return dtype.itemsize * max(video, CLIP_PARAMETERS.get(preset.model.audio.text_dim, 0))


def _codec_bytes(preset: Preset) -> int:
    from unison_core.codecs.audio_vae import AudioVAE
    from unison_core.codecs.vocoder import build_vocoder

    codecs = preset.codecs
    with torch.device("meta"):
        modules = (build_video_vae(codecs.video), AudioVAE(codecs.audio, codecs.mel.mels),
                   build_vocoder(codecs, preset.timing.sample_rate_hz))  # fmt: skip
    return 4 * sum(p.numel() for module in modules for p in module.parameters())


def _decode_bytes(preset: Preset, pixels: int, dtype: torch.dtype) -> int:
    """Of the widest activation (four frames at the resolution of patches) what decoding was measured to reserve beside
    the weights: between 14 and 17 GB at 704x1280, where a dozen of it and the caches of two frames would be 8."""
    config = preset.codecs.video
    width = max(config.base_dim, config.decoder_base_dim or 0)
    widest = 4 * width * math.ceil(pixels / (config.patch_size or 1) ** 2) * dtype.itemsize
    return 30 * widest


def _frames_bytes(pixels: int, frames: int) -> int:
    """Decoded frames in float32, and their rounding to 8 bits."""
    return pixels * frames * 3 * (4 + 4 + 1)
