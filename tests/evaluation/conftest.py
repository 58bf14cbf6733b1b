"""Scores of a faultless clip, by number."""

from collections.abc import Callable

import numpy as np
import pytest

from unison_core.evaluation.clip_scores import ClipScores


@pytest.fixture
def scores() -> Callable[[int], ClipScores]:
    """Makes the scores of clip `number`, whose strikes fall at moments of their own."""
    return _scores


def _scores(number: int) -> ClipScores:
    rng = np.random.default_rng(number)
    curve = np.zeros(300)
    curve[rng.choice(np.arange(30, 270), 4, replace=False)] = 1.0
    return ClipScores(
        id=str(number), transcript="four plain words here", heard="four plain words here", action="drum",
        named_action="drum", ambience=None, named_ambience=None, voice="slt", named_voice="slt",
        colours={"clothes": "red"}, named_colours={"clothes": "red"}, lips_r=0.8, lips_r_best=0.9,
        loudness={"speech": -24.0, "sfx": -25.0}, survival=0.0, motion=curve.tolist(), onsets=curve.tolist(),
    )  # fmt: skip
