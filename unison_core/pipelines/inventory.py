"""What a preset's parameters are spent on, counted on the meta device: nothing is allocated."""

import re

import torch

from unison_core.config import Preset
from unison_core.model.unison import Unison

KINDS = (
    (r"video\.", "video branch (Wan)"),
    (r"audio\.couplings\.\d+\.bi_aca\.", "Bi-ACA"),
    (r"audio\.couplings\.\d+\.scg\.", "SCG"),
    (r"audio\.(couplings|transcript_\w+)\.", "adapters of the two streams"),
    (r"audio\.", "audio branch (MMAudio)"),
    (r"(nodes|sigma)\.", "interaction nodes"),
    (r"reference\.", "reference voice and style alignment"),
    (r"transcript\.", "transcript encoder (Zipformer)"),
    (r"caption\.", "caption encoder"),
)
"""The first pattern that a parameter's name matches says what it belongs to."""


def inventory(preset: Preset) -> dict[str, int]:
    """Parameters of the joint model by module, in the order of `KINDS`; kinds without any are left out."""
    with torch.device("meta"):
        model = Unison(preset.model, preset.timing)
    counts = {kind: 0 for _, kind in KINDS}
    for name, parameter in model.named_parameters():
        counts[next(kind for pattern, kind in KINDS if re.match(pattern, name))] += parameter.numel()
    return {kind: count for kind, count in counts.items() if count}
