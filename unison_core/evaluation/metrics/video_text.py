"""TV: its protocol; not built."""

from unison_core.evaluation.registry import Metric

METRIC = Metric(
    name="video_text",
    about="TV: cosine of 8 pictures at 224 and the caption",
    source="VideoCLIP-XL-v2; Unison",
    needs=(
        "video",
        "caption",
    ),
    built=False,
    weights_note="alibaba-pai/VideoCLIP-XL-v2",
    licence="CC-BY-NC-SA-4.0",
)
