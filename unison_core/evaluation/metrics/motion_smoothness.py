"""MS: its protocol; not built."""

from unison_core.evaluation.registry import Metric

METRIC = Metric(
    name="motion_smoothness",
    about="MS: odd pictures interpolated from even ones, (255 - MAE) / 255",
    source="AMT-S (Li et al., 2023), as VBench; Harmony",
    needs=("video",),
    built=False,
    weights_note="lalala125/AMT",
    licence="CC-BY-NC-4.0",
)
