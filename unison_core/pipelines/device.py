"""Where a model runs and in which precision."""

import platform

import torch

from unison_core.errors import UsageError

PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}


def choose_device(name: str = "auto") -> torch.device:
    """The device called `auto`, `cpu`, `cuda[:i]` or `mps`; raises UsageError where this machine has none such."""
    kind, _, index = name.partition(":")
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if kind == "cuda" and (not index or index.isdecimal()):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            raise UsageError(f"device {name!r}: torch {torch.__version__} sees no CUDA GPU; use --device cpu or auto")
        if int(index or 0) >= count:
            raise UsageError(f"device {name!r}: this machine has {count} CUDA GPU(s), cuda:0 to cuda:{count - 1}")
        return torch.device("cuda", int(index or 0))
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise UsageError("device 'mps': torch sees no Apple GPU here; use --device cpu or auto")
        return torch.device("mps")
    raise UsageError(f"device {name!r} is none of auto, cpu, cuda, cuda:N, mps")


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The precision called `auto`, `bf16` or `fp32`; auto is bf16 where the device computes it in hardware."""
    if name == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    if name not in PRECISIONS:
        raise UsageError(f"precision {name!r} is none of auto, {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def has_fast_bf16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 have units of their own (avx512_bf16, amx_bf16, CUDA sm_80 and newer)."""
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def emulates(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a processor computes bf16 in software: a short clip took over a hundred times float32's time."""
    return device.type == "cpu" and dtype == torch.bfloat16 and not has_fast_bf16(device)


def device_name(device: torch.device) -> str:
    """What the device is sold as."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine())
