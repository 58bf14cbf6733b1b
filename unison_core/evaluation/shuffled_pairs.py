"""The shuffled-pairs baseline over a set: how many clips' own sound fits their picture better than other clips' do."""

from collections.abc import Sequence

import numpy as np

from unison_core.evaluation.registry import SetScore
from unison_core.evaluation.statistics import share_interval
from unison_core.evaluation.sync import beats_shuffled


def share_beating_shuffled(pictures: Sequence[np.ndarray], sounds: Sequence[np.ndarray], needs: str) -> SetScore:
    """Share of clips whose pairing beats the median of shuffled ones, with its interval.

    Args:
        pictures, sounds: curves of every clip, on one grid of time.
        needs: the reason given where there are fewer than two clips.
    """
    if len(pictures) < 2:
        return SetScore(value=None, count=len(pictures), reason=needs)
    wins = beats_shuffled(pictures, sounds)
    low, high = share_interval(wins)
    return SetScore(value=float(np.mean(wins)), count=len(wins), low=low, high=high)
