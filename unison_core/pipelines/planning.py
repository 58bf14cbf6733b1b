"""Before anything is loaded: which memory plan a run takes, and what `generate --dry-run` says of it."""

import torch

from unison_core.config import Preset
from unison_core.pipelines.memory_plan import AUTO, FULL, MemoryPlan, arrangements, free_bytes, needs, plan_memory
from unison_core.pipelines.request import ClipSpec

UNLIMITED = 1 << 62


def plan_for(
    preset: Preset, spec: ClipSpec | None, device: torch.device, dtype: torch.dtype, wanted: str = AUTO
) -> MemoryPlan:
    """The plan for a clip, or for the longest one at the preset's size where `spec` is None.

    On a CPU there is nowhere to go: everything stays, unless the user asks otherwise.
    """
    size = spec.size if spec else (preset.size.width, preset.size.height)
    duration_s = spec.duration_s if spec else preset.timing.max_s
    need = needs(preset, size, preset.timing.frames_covering(duration_s), dtype)
    if device.type == "cpu" and wanted in (AUTO, FULL):
        return next(arrangements(need, UNLIMITED))
    return plan_memory(need, free_bytes(device), wanted)
