"""DNSMOS: its protocol; not built."""

from unison_core.evaluation.registry import Metric

METRIC = Metric(
    name="dnsmos",
    about="speech quality without a reference",
    source="Reddy et al., ICASSP 2022; torchmetrics",
    needs=("speech",),
    built=False,
    weights_note="microsoft/DNS-Challenge DNSMOS",
    licence="MIT",
)
