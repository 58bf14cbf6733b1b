"""IQ: its protocol; not built."""

from unison_core.evaluation.registry import Metric

METRIC = Metric(
    name="imaging_quality",
    about="IQ: imaging quality of each picture, longer side at most 512, over 100",
    source="MUSIQ trained on SPAQ (Ke et al., 2021); Harmony",
    needs=("video",),
    built=False,
    weights_note="pyiqa's musiq-spaq",
    licence="PolyForm Noncommercial",
)
