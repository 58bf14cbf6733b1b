"""FVD: its protocol; not built."""

from unison_core.evaluation.registry import Metric

METRIC = Metric(
    name="fvd",
    about="Frechet distance of videos to the references'",
    source="I3D on Kinetics-400 (Unterthiner et al., 2019)",
    needs=(
        "video",
        "reference video",
    ),
    built=False,
    weights_note="i3d_torchscript.pt",
    licence="not stated",
)
