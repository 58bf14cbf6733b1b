"""The fastest attention that is installed, found by trying: FlashAttention-3, cuDNN, flash, memory-efficient.

PyTorch's own order is fixed, and which kernel is fastest depends on GPU, version and shape. All of them compute the
same function; none has to be installed.
"""

import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

FA3, CUDNN, FLASH, EFFICIENT = "FlashAttention-3", "cuDNN", "flash", "memory-efficient"
TRIES = 3
_chosen: dict[tuple[object, ...], str] = {}


def available(device: torch.device) -> tuple[str, ...]:
    """Names of what may work on the device; empty where PyTorch's choice stands."""
    if device.type != "cuda":
        return ()
    fa3 = (FA3,) if importlib.util.find_spec("flash_attn_interface") and _fa3_registered() else ()
    return (*fa3, CUDNN, FLASH, EFFICIENT)


def backend(name: str) -> AbstractContextManager[None]:
    """Attention goes to `name` inside the block, and where that cannot serve a call to the next one that can."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kernels = {CUDNN: SDPBackend.CUDNN_ATTENTION, FLASH: SDPBackend.FLASH_ATTENTION, FA3: SDPBackend.FLASH_ATTENTION,
               EFFICIENT: SDPBackend.EFFICIENT_ATTENTION}  # fmt: skip
    first = kernels[name]
    rest = [kernel for kernel in dict.fromkeys(kernels.values()) if kernel != first]
    return sdpa_kernel([first, *rest, SDPBackend.MATH], set_priority=True)


@contextmanager
def fastest_attention(device: torch.device, shape: tuple[int, int, int, int], dtype: torch.dtype) -> Iterator[str]:
    """The fastest backend for self-attention of `shape` (B, H, L, d) inside the block; gives its name.

    The first use of a shape on a device tries them all, which takes a fraction of a second.
    """
    names = available(device)
    if not names:
        yield "PyTorch's choice"
        return
    key = (str(device), shape, dtype)
    if key not in _chosen:
        _chosen[key] = fastest(measure(names, device, shape, dtype))
    name = _chosen[key]
    with _fa3() if name == FA3 else nullcontext(), backend(name):
        yield name


def fastest(seconds: Mapping[str, float]) -> str:
    """The name with the fewest seconds."""
    if not seconds:
        raise RuntimeError("no attention kernel works on this device")
    return min(seconds, key=lambda name: seconds[name])


def measure(
    names: tuple[str, ...], device: torch.device, shape: tuple[int, int, int, int], dtype: torch.dtype
) -> dict[str, float]:
    """Seconds by backend, of those that work."""
    q, k, v = (torch.randn(shape, device=device, dtype=dtype) for _ in range(3))
    found = {}
    for name in names:
        try:
            with _fa3() if name == FA3 else nullcontext(), _only(name):
                found[name] = timed(lambda: F.scaled_dot_product_attention(q, k, v), device)
        except (RuntimeError, ValueError, ImportError):
            continue
    return found


def timed(call: Callable[[], Tensor], device: torch.device) -> float:
    """Best seconds of a few calls, after one that is not counted."""
    best = float("inf")
    for _ in range(TRIES + 1):
        start = time.perf_counter()
        call()
        torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start) if _ else best
    return best


def _only(name: str) -> AbstractContextManager[None]:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel({CUDNN: SDPBackend.CUDNN_ATTENTION, EFFICIENT: SDPBackend.EFFICIENT_ATTENTION}.get(
        name, SDPBackend.FLASH_ATTENTION
    ))  # fmt: skip


def _fa3_registered() -> bool:
    try:
        from torch.nn.attention import list_flash_attention_impls
    except ImportError:
        return False
    return "FA3" in list_flash_attention_impls()


@contextmanager
def _fa3() -> Iterator[None]:
    """PyTorch's flash backend is FlashAttention-3 inside the block."""
    from torch.nn.attention import activate_flash_attention_impl, restore_flash_attention_impl

    activate_flash_attention_impl("FA3")
    try:
        yield
    finally:
        restore_flash_attention_impl()
