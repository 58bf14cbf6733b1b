"""What one forward pass tells of training: losses by stream, task and noise level, and the mean gates.

Figures are (sum, count) pairs on the device; every process gives the same names, so that they can be added up.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from unison_core.training.objective import Losses
from unison_core.types import AUDIO_STREAMS

QUARTERS = 4
"""Ranges of sigma that losses are logged for."""

Figures = dict[str, tuple[Tensor, Tensor]]


def figures(losses: Losses) -> Figures:
    """Sums and counts by name, detached.

    `loss` is what is minimised; `loss_STREAM`, `loss_STREAM_sigma_Q` (noise levels from Q to Q + 1/4) and
    `loss_task_TASK` are plain flow-matching errors of generated streams; `gate_STREAM` is what flows into a stream
    (Unison Fig. 8).
    """
    total = losses.total.detach()
    found: Figures = {"loss": (total, torch.ones_like(total))}
    per_sample = torch.zeros_like(next(iter(losses.plain.values()))).detach()
    streams = torch.zeros_like(per_sample)
    for stream, plain in losses.plain.items():
        loss = plain.detach()
        counted = losses.counted[stream].to(loss)
        loss = torch.where(losses.counted[stream], loss, 0.0)
        per_sample, streams = per_sample + loss, streams + counted
        found[f"loss_{stream}"] = loss.sum(), counted.sum()
        inside = F.one_hot((losses.sigmas[stream] * QUARTERS).long().clamp(max=QUARTERS - 1), QUARTERS).to(loss)
        sums, counts = loss @ inside, counted @ inside
        for quarter in range(QUARTERS):
            found[f"loss_{stream}_sigma_{quarter / QUARTERS:g}"] = sums[quarter], counts[quarter]
    if losses.task is not None and len(losses.tasks) > 1:
        rows = F.one_hot(losses.task, len(losses.tasks)).to(per_sample)
        sums, counts = per_sample @ rows, streams @ rows
        for i, name in enumerate(losses.tasks):
            found[f"loss_task_{name}"] = sums[i], counts[i]
    if losses.gates is not None:
        for stream, gates in zip(AUDIO_STREAMS, losses.gates.float().unbind(-1), strict=True):
            found[f"gate_{stream}"] = gates.sum(), torch.full_like(total, gates.numel())
    return found
