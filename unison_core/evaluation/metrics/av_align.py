"""AV-Align: how many peaks of optical flow and onsets of sound meet, for comparison with papers that report it.

    IoU = matched / (flow peaks + onsets - matched),    matched one to one within one picture's time

Even perfect synchrony scores low where the background moves (0.1 to 0.2 on planted impulses): prefer av_lag.
"""

from itertools import pairwise

import numpy as np

from unison_core.evaluation.feature import Feature
from unison_core.evaluation.item import SOUND, VIDEO, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.onset_matching import match_count
from unison_core.evaluation.registry import UP, Features, Figure, Metric, Score, Unscored
from unison_core.media.onsets import onsets_s


def flow_peaks(media: Media) -> dict[str, np.ndarray]:
    """Moments of local maxima of mean flow, in s, onsets of the whole sound, in s, and the picture rate."""
    import cv2

    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in media.small]
    sizes = []
    for before, after in pairwise(grey):
        flow = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
        sizes.append(np.linalg.norm(flow, axis=-1).mean())
    wave = media.wave(SOUND)
    return {
        "peaks_s": local_maxima(np.array(sizes)) / media.fps,
        "onsets_s": np.array(onsets_s(wave.mono, wave.rate_hz)),
        "fps": np.array(media.fps),
    }


def local_maxima(curve: np.ndarray) -> np.ndarray:
    """Places of values that are greater than both neighbours; entry i of a flow curve leads to picture i + 1."""
    inner = (curve[1:-1] > curve[:-2]) & (curve[1:-1] > curve[2:])
    return np.flatnonzero(inner) + 2


def score(item: Item, features: Features) -> Score:
    """Intersection over union; undefined where there is neither a peak nor an onset."""
    peaks, onsets, fps = (features["flow peaks"][name] for name in ("peaks_s", "onsets_s", "fps"))
    if len(peaks) + len(onsets) == 0:
        raise Unscored("nothing moves and nothing begins to sound")
    matched = match_count(peaks, onsets, 1 / float(fps))
    return Score(values={"av_align": matched / (len(peaks) + len(onsets) - matched)})


METRIC = Metric(
    name="av_align",
    about="peaks of optical flow against onsets of sound",
    source="Yariv et al., AAAI 2024 (TempoTokens), with one-to-one matching and onsets of media/onsets.py",
    figures=(Figure(name="av_align", about="AV-Align, IoU", better=UP),),
    needs=(VIDEO, SOUND),
    features=(Feature(name="flow peaks", reads=(VIDEO, SOUND), prepare=flow_peaks),),
    score=score,
    default=True,
    modules=("cv2",),
)
