"""ID by DINOv2, whose weights are free to download: its figures are not those of DINOv3."""

from unison_core.evaluation.feature import Weights
from unison_core.evaluation.metrics.identity import make

METRIC = make("identity_dinov2", Weights(id="facebook/dinov2-base", licence="Apache-2.0", size="350 MB"), ", DINOv2")
