"""`unison generate --dry-run`: what a run would take, before anything is downloaded or loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unison_core.config import Preset, load_preset, preset_names
from unison_core.diffusion.guidance import TextGuidance, movable
from unison_core.diffusion.schedule import stream_schedules
from unison_core.diffusion.step_cache import computed_steps
from unison_core.pipelines.device import choose_device, choose_precision, device_name
from unison_core.pipelines.inventory import inventory
from unison_core.pipelines.memory_plan import MemoryPlan, Needs, free_bytes, needs
from unison_core.pipelines.planning import plan_for
from unison_core.pipelines.request import ClipSpec, GenerateRequest, complete
from unison_core.pipelines.workload import forward_flops, matmul_speed
from unison_core.types import VIDEO
from unison_core.weights.from_public import published
from unison_core.weights.licences import Part, read_sources
from unison_core.weights.resolve import missing_downloads, resolve_preset

ATTAINED = 0.6
"""Share of the measured matrix speed that the estimate takes for granted."""


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a run would take.

    Attributes:
        model, revision, preset: which model.
        parameters: by module of the joint model.
        device, free: where, and bytes free there.
        plan, needs: memory.
        clip: size, length, tokens, steps.
        flops: of one forward of one row. forwards: rows that a clip computes.
        seconds: estimated for sampling.
        speed: measured operations a second that the estimate rests on.
        downloads: bytes by file; None where the Hub may not be asked.
        sources: parts with their licences.
    """

    model: str
    revision: str | None
    preset: str
    parameters: Mapping[str, int]
    device: str
    free: int
    plan: MemoryPlan
    needs: Needs
    clip: Mapping[str, Any]
    flops: int
    forwards: int
    seconds: float
    speed: float
    downloads: Mapping[str, int] | None
    sources: tuple[Part, ...]

    def to_mapping(self) -> dict[str, Any]:
        """JSON data."""
        return {
            "model": self.model, "revision": self.revision, "preset": self.preset,
            "parameters": dict(self.parameters), "device": self.device, "free_bytes": self.free,
            "memory": {"mode": self.plan.mode, "rows": self.plan.rows, "tiled": self.plan.tiled,
                       "peaks": dict(self.plan.peaks)},
            "clip": dict(self.clip), "forward_flops": self.flops, "forwards": self.forwards,
            "estimated_sampling_s": round(self.seconds, 1), "matmul_flops_per_s": round(self.speed),
            "downloads": None if self.downloads is None else dict(self.downloads),
            "licences": {part.part: part.licence for part in self.sources},
        }  # fmt: skip

    def lines(self) -> list[str]:
        """The same for people."""
        total = sum(self.parameters.values())
        rows = [
            f"model      {self.model}{f'@{self.revision[:12]}' if self.revision else ''} (preset {self.preset})",
            *(f"           {count / 1e6:>10,.1f}M  {name}" for name, count in self.parameters.items()),
            f"           {total / 1e6:>10,.1f}M  together",
            f"clip       {self.clip['width']}x{self.clip['height']}, {self.clip['duration_s']:g} s, "
            f"{self.clip['frames']} frames, {self.clip['tokens']:,} tokens of video, {self.clip['steps']} steps",
            f"device     {self.device}, {self.free / 1e9:.1f} GB free",
            f"{self.plan.describe()}",
            *(f"           {size / 1e9:>6.1f} GB  {stage}" for stage, size in self.plan.peaks.items()),
            f"time       about {_spell(self.seconds)} of sampling: {self.forwards} forwards of "
            f"{self.flops / 1e12:.3g} TFLOP, at {ATTAINED:.0%} of the {self.speed / 1e12:.3g} TFLOP/s that matrix "
            "products reached just now",
        ]  # fmt: skip
        files = self.downloads or {}
        missing = f"{sum(files.values()) / 1e9:.2f} GB in {len(files)} files" if files else "none"
        rows.append(f"downloads  {'not asked for, --offline' if self.downloads is None else missing}")
        rows += [f"           {size / 1e9:>6.2f} GB  {name}" for name, size in files.items()]
        rows += [f"licence    {part.part}: {part.licence} ({part.source})" for part in self.sources]
        if not self.sources:
            rows.append("licence    not recorded in this model folder")
        return rows


def dry_run(
    request: GenerateRequest, *, model: str, device: str = "auto", precision: str = "auto", memory: str = "auto",
    offline: bool = False,
) -> DryRun:  # fmt: skip
    """Work out what a clip would take; raises as `generate` would for what is wrong with the request.

    A preset's name in place of a model tells of the folder that `train init` would make of public weights.
    """
    name, revision, preset, downloads, sources = _model(model, offline)
    spec = complete(request, preset)
    place = choose_device(device)
    dtype = choose_precision(precision, place)
    plan = plan_for(preset, spec, place, dtype, memory)
    frames = preset.timing.frames_covering(spec.duration_s)
    flops = forward_flops(preset, spec.size, frames)
    speed = matmul_speed(place, dtype)
    forwards = _rows(spec)
    patch, stride = preset.model.video.patch, preset.codecs.video.spatial_stride
    tokens = preset.timing.video_latents(frames) * (spec.size[1] // stride // patch[1]) * (
        spec.size[0] // stride // patch[2]
    )  # fmt: skip
    return DryRun(
        model=name, revision=revision, preset=preset.name, parameters=inventory(preset),
        device=f"{place} ({device_name(place)}), {str(dtype).removeprefix('torch.')}", free=free_bytes(place),
        plan=plan, needs=needs(preset, spec.size, frames, dtype),
        clip={"width": spec.size[0], "height": spec.size[1], "duration_s": spec.duration_s,
              "frames": preset.timing.shown_frames(spec.duration_s), "tokens": tokens, "steps": spec.steps},
        flops=flops, forwards=forwards, seconds=forwards * flops / (ATTAINED * speed), speed=speed,
        downloads=downloads, sources=tuple(sources),
    )  # fmt: skip


def _model(model: str, offline: bool) -> tuple[str, str | None, Preset, dict[str, int] | None, list[Part]]:
    """Name, commit, preset, missing downloads and parts of a model, or of a preset without one."""
    if model in preset_names() and not Path(model).is_dir():
        preset = load_preset(model)
        public = preset.model.caption.kind == "external"  # the presets that public weights fit
        parts, downloads = published(offline=offline) if public else ([], {})
        return f"none yet: unison train init --preset {model} makes it", None, preset, downloads, parts
    source = resolve_preset(model, offline=offline)
    here = source.revision is None
    missing = {} if here else None if offline else missing_downloads(model, source.revision)
    return source.name, source.revision, source.preset, missing, read_sources(source.path)


def _rows(spec: ClipSpec) -> int:
    """Rows that sampling computes: on every computed step the prompt, and an anchor for each term that applies."""
    schedules = stream_schedules(
        spec.steps, shifts=spec.shift, given=spec.given.task.given, lead=spec.lead, lead_amount=spec.lead_amount
    )
    guidance = TextGuidance(scale=spec.text_scale, interval=spec.guidance_interval)
    rows = 0
    for i, computed in enumerate(computed_steps(spec.steps, spec.cache_every)):
        levels = {stream: schedule[i] for stream, schedule in schedules.items()}
        picture = movable(spec.sync_scale, levels, spec.sync_interval) & {VIDEO}
        sound = movable(spec.sync_scale, levels) - {VIDEO} if i else ()
        anchors = (guidance.active(levels), picture, sound)
        rows += computed * (1 + sum(map(bool, anchors)))
    return rows


def _spell(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else (
        f"{seconds / 3600:.0f} h"
    )  # fmt: skip
