"""AV, IB and IB-A: its protocol; not built."""

from unison_core.evaluation.registry import Metric

METRIC = Metric(
    name="imagebind",
    about="AV, IB: cosine of picture and sound; IB-A: of sound and text",
    source="ImageBind (Girdhar et al., 2023); Unison, Harmony",
    needs=(
        "video",
        "sound",
    ),
    built=False,
    weights_note="nielsr/imagebind-huge",
    licence="CC-BY-NC-SA-4.0",
)
