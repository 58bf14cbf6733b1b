"""The most memory that this process has held: of the GPU where it trains on one, else of the host."""

import resource
import sys

import torch


def peak_memory_gb(device: torch.device) -> float:
    """Gigabytes (1e9 bytes) since the start of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in kilobytes but on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
