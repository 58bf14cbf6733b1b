"""Float32 at a model's ends while autocast computes its middle in 16 bits.

What a RoFormer reads are spectra and what it writes are complex masks that multiply them; rounding those costs most of
what separates 16 bits from float32, and little is computed there. In the middle the stream between blocks and its
norms stay in float32, but what enters a matrix product is rounded: relative to it by -55 dB in bf16 (8 bits) and by 18
dB less in float16 (11 bits, as TF32), at the same speed. float16 ends at 65504: see `Separator`.
"""

from functools import wraps

import torch
from torch import Tensor, nn

from unison_core.errors import UsageError

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
HALVES = (torch.bfloat16, torch.float16)
"""What autocast computes the middle in."""
WIDE = 256
"""Width from which a CPU's units for bf16 pay: a narrower model waits for its memory, and is no slower in float32."""


def separator_precision(name: str, device: torch.device, dim: int, fast_bf16: bool) -> torch.dtype:
    """The precision called `auto`, `bf16`, `fp16` or `fp32`; raises UsageError for another.

    Auto is float16 on a CUDA GPU; elsewhere, for models at least `WIDE` and devices with units for it (`fast_bf16`),
    bf16; else float32.
    """
    if name == "auto":
        if device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if fast_bf16 and dim >= WIDE else torch.float32
    if name not in PRECISIONS:
        raise UsageError(f"precision {name!r} is none of auto, {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def keep_float32(module: nn.Module) -> None:
    """Make `module`, of one tensor argument, compute in float32 whatever autocast says around it; in place."""
    forward = module.forward

    @wraps(forward)
    def in_float32(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            result: Tensor = forward(x.float())
            return result

    module.forward = in_float32  # type: ignore[method-assign]
