"""Linear layers in 8 bits: E4M3 weights with a scale per output channel, activations with a scale per token.

    y = (x / s_x)_fp8 (w / s_w)_fp8^T * s_x s_w + b,        s = max|.| / 448

GPUs of the Hopper generation multiply these about twice as fast as bfloat16, and the weights take half the memory. The
result is an approximation. Elsewhere the same rounding is computed in the activations' own type.
"""

import torch
from torch import Tensor, nn

LARGEST = 448.0
"""Of the E4M3 format."""
TINY = 1e-12
IN_A_VIDEO_BLOCK = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q", "attn2.to_out.0",
                    "ffn.net.0.proj", "ffn.net.2")  # fmt: skip
"""What runs over all tokens; keys and values of the text are computed once a clip and stay exact."""


class FP8Linear(nn.Module):
    """Stands in for a linear layer of trained weights; for inference.

    Attributes:
        weight: float8 `(out, in)`. scale: float32 `(1, out)`.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach().float()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=TINY) / LARGEST
        self.register_buffer("weight", (weight / scale).to(torch.float8_e4m3fn))
        self.register_buffer("scale", scale.t().contiguous())
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """`(..., in)` to `(..., out)`, in the type of `x`."""
        rows = x.flatten(0, -2)
        scale = rows.abs().amax(dim=1, keepdim=True).float().clamp(min=TINY) / LARGEST  # (L, 1)
        rounded = (rows.float() / scale).to(torch.float8_e4m3fn)
        if x.device.type == "cuda" and x.dtype == torch.bfloat16:
            out = torch._scaled_mm(
                rounded, self.weight.t(), scale_a=scale, scale_b=self.scale, bias=self.bias, out_dtype=x.dtype,
                use_fast_accum=True,
            )  # fmt: skip
        else:
            exact = rounded.float() @ self.weight.t().float() * scale * self.scale
            out = (exact if self.bias is None else exact + self.bias.float()).to(x.dtype)
        return out.unflatten(0, x.shape[:-1])


def quantise_blocks(blocks: nn.ModuleList) -> int:
    """Replace the large linear layers of video blocks; returns how many."""
    count = 0
    for block in blocks:
        for name in IN_A_VIDEO_BLOCK:
            parent_name, _, child = name.rpartition(".")
            parent = block.get_submodule(parent_name)
            layer = getattr(parent, child)
            if isinstance(layer, nn.Linear):
                parent._modules[child] = FP8Linear(layer)
                count += 1
    return count


def supports_fp8(device: torch.device) -> bool:
    """Whether the device multiplies 8-bit floats in hardware (sm_89 and newer)."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 9)
