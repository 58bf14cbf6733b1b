"""Muon: matrices take steps whose singular values are all about one (Jordan et al. 2024; Liu et al., arXiv 2502.16982).

    B <- mu B + (1 - mu) G,    O = U V^T of (1 - mu) G + mu B,    W <- (1 - lr wd) W - lr 0.2 sqrt(max(rows, columns)) O

The factor gives a step the size that AdamW's has, so that both share learning rate and decay (section 2.2 there). What
is no matrix between hidden features (embeddings, first and last layers, gates, vectors) is AdamW's. torch's own Muon
takes no convolutions, and one matrix at a time: thousands of small kernels a step.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic that drives singular values towards one (Jordan et al.)."""
ITERATIONS = 5
RMS = 0.2
"""Root mean square of a step's entries, in learning rates, as AdamW's usually have."""
SMALLEST = 16
"""Rows and columns that make a matrix worth it."""
KINDS = ("adamw", "muon")
"""Names of optimizers in configurations."""
ENDS = re.compile(
    r"(^|\.)embed\.weight$|patch_embedding|proj_out\.|audio_input_proj\.0\.|final_layer\.conv\."
    r"|band_split\.|mask_estimators\."
)
"""Embeddings, and the layers next to latents or spectra."""


class Muon(torch.optim.AdamW):
    """Muon of hidden matrices and AdamW of everything else.

    Args:
        parameters: those that are trained, by name. lr, betas: of both. weight_decay: not of vectors.
        momentum: mu. fused: AdamW's.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], *, lr: float, betas: tuple[float, float], weight_decay: float,
        momentum: float = 0.95, fused: bool = False,
    ) -> None:  # fmt: skip
        self._momentum = momentum
        hidden = [p for name, p in parameters.items() if is_hidden_matrix(name, p)]
        rest = [p for name, p in parameters.items() if not is_hidden_matrix(name, p)]
        groups: list[dict[str, Any]] = [
            {"params": hidden, "weight_decay": weight_decay, "hidden": True}, *decay_groups(rest, weight_decay)
        ]  # fmt: skip
        super().__init__([group for group in groups if group["params"]], lr=lr, betas=betas, fused=fused)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step; the matrices' gradients are used up by it."""
        for group in self.param_groups:
            if group.get("hidden"):
                self._step_matrices(group)
        return super().step(closure)

    def _step_matrices(self, group: Mapping[str, Any]) -> None:
        matrices = [p for p in group["params"] if p.grad is not None]
        if not matrices:
            return
        wanted = [p.grad for p in matrices]
        buffers = [self._buffer(p) for p in matrices]
        torch._foreach_lerp_(buffers, wanted, 1 - self._momentum)
        torch._foreach_lerp_(wanted, buffers, self._momentum)
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(matrices, directions(wanted), alpha=-group["lr"])
        for parameter in matrices:
            parameter.grad = None

    def _buffer(self, parameter: nn.Parameter) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
            state["step"] = torch.zeros(())  # AdamW asks for one when it is loaded
        return state["momentum_buffer"]


def is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    """Whether a parameter, also a convolution's (out, in, ...), maps hidden features to hidden features."""
    if parameter.ndim < 2 or ENDS.search(name):
        return False
    return min(parameter.shape[0], parameter.shape[1:].numel()) >= SMALLEST


def decay_groups(parameters: list[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups: vectors (biases, norms, gates) are not decayed."""
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def directions(wanted: Sequence[Tensor]) -> list[Tensor]:
    """Orthogonalised matrices at the size of AdamW's steps; those of one shape at once."""
    alike: dict[torch.Size, list[int]] = defaultdict(list)
    for i, matrix in enumerate(wanted):
        alike[matrix.shape].append(i)
    found = list(wanted)
    for shape, places in alike.items():
        stacked = torch.stack([wanted[i] for i in places])
        size = RMS * max(shape[0], shape[1:].numel()) ** 0.5
        steps = orthogonalised(stacked.flatten(2)).mul_(size).view_as(stacked)
        for i, step in zip(places, steps.unbind(), strict=True):
            found[i] = step
    return found


def orthogonalised(matrices: Tensor) -> Tensor:
    """U V^T of U S V^T, about: Newton-Schulz iterations leave singular values between 0.7 and 1.2.

    Args:
        matrices: (batch, rows, columns).

    Returns:
        The same shape, float32; computed in bf16 on a GPU.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    if x.is_cuda:
        x = x.bfloat16()
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).float().contiguous()
