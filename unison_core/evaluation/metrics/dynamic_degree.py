"""DD: its protocol; not built."""

from unison_core.evaluation.registry import Metric

METRIC = Metric(
    name="dynamic_degree",
    about="DD: share of clips in which the mean of the top 5% of flow passes 6 side / 256 in enough pairs",
    source="RAFT (Teed and Deng, 2020), as VBench; Harmony",
    needs=("video",),
    built=False,
    weights_note="raft-things",
    licence="BSD-3-Clause",
)
