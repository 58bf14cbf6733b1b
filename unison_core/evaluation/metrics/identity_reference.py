"""ID of Harmony: likeness of all pictures to the reference picture, by DINOv3."""

from unison_core.evaluation.metrics.identity import DINOV3, make_reference

METRIC = make_reference("identity", DINOV3, "")
