"""Float32 at a model's ends while autocast computes its middle in bf16.

What a RoFormer reads are spectra and what it writes are complex masks that multiply them; rounding those to 8 bits
costs most of what separates bf16 from float32, and little is computed there.
"""

from functools import wraps

import torch
from torch import Tensor, nn


def keep_float32(module: nn.Module) -> None:
    """Make `module`, of one tensor argument, compute in float32 whatever autocast says around it; in place."""
    forward = module.forward

    @wraps(forward)
    def in_float32(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            result: Tensor = forward(x.float())
            return result

    module.forward = in_float32  # type: ignore[method-assign]
