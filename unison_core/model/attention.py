"""Scaled dot-product attention: softmax(q k^T / sqrt(d)) v."""

import torch.nn.functional as F
from torch import Tensor


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Unmasked attention `(B, H, L, d)` of queries `(B, H, L, d)` over keys and values `(B, H, M, d)`.

    PyTorch picks the kernel (flash, cuDNN, memory-efficient or plain) at run time from device, type and shape. Queries
    and keys take the type of the values: autocast leaves norms and rotations in float32, where no fast kernel exists.
    """
    return F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v)
