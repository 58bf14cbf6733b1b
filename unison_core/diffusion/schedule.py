"""Noise levels over the steps of sampling, one sequence per stream; `lead` lets one modality run ahead.

A stream that leads by an amount a reaches sigma(p) at progress p / (1 + a) of the others' pace: it is the cleaner
one throughout, which is the situation that cross-modal forcing trained (Unison sec. 3.3).
"""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from unison_core.diffusion.flow import shift
from unison_core.types import AUDIO_STREAMS, MIX, VIDEO

LEADS: Mapping[str, tuple[str, ...]] = {"none": (), "video": (VIDEO,), "audio": (*AUDIO_STREAMS, MIX)}
"""Which streams run ahead."""


def stream_schedules(
    steps: int,
    *,
    shifts: Mapping[str, float],
    given: Collection[str] = (),
    lead: str = "none",
    lead_amount: float = 0.0,
) -> dict[str, Tensor]:
    """Noise levels `(steps + 1,)` of every stream that has a shift.

    Args:
        steps: Euler steps.
        shifts: time shift per stream.
        given: streams that are input and stay at sigma 0.
        lead: `none`, `video` or `audio`.
        lead_amount: how far ahead, in [0, 1]: at amount a, a follower starts when the leader has done a of its way.

    Raises:
        ValueError: no step, an unknown lead, or an amount outside [0, 1].
    """
    if steps < 1:
        raise ValueError(f"steps={steps} must be at least 1")
    if lead not in LEADS:
        raise ValueError(f"lead={lead!r} is none of {', '.join(LEADS)}")
    if not 0 <= lead_amount <= 1:
        raise ValueError(f"lead_amount={lead_amount} is outside 0..1")
    progress = torch.linspace(0, 1, steps + 1) * (1 + lead_amount * (lead != "none"))
    schedules = {}
    for stream in shifts:
        if stream in given:
            schedules[stream] = torch.zeros(steps + 1)
            continue
        ahead = lead == "none" or stream in LEADS[lead]
        own = progress if ahead else progress - lead_amount
        schedules[stream] = shift(1 - own.clamp(0, 1), shifts[stream])
    return schedules
