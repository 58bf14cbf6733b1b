"""One corpus clip through every measure: the truth scores well, and another clip's truth does not."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from unison_core.corpus.sample import make_item
from unison_core.evaluation.asr import word_errors
from unison_core.evaluation.clip_scores import score_clip
from unison_core.types import SFX

for module in ("skia", "jiwer", "pocketsphinx"):
    pytest.importorskip(module)
if shutil.which("flite") is None:
    pytest.skip("needs the synthesiser flite", allow_module_level=True)


@pytest.fixture(scope="module")
def items():
    found = (item for item in (make_item(seed, "held_out") for seed in range(100))
             if item.scene.transcript and item.scene.action)  # fmt: skip
    return [next(found), next(found)]


def test_truth_scores_well(items):
    for item in items:
        scores = score_clip("x", item.scene, item.clip)
        assert scores.named_action == item.scene.action
        assert scores.named_voice == item.scene.voice
        assert scores.named_colours == scores.colours
        assert scores.lips_r is not None
        assert scores.lips_r > 0.5
        assert scores.heard is not None
        assert word_errors([item.scene.transcript], [scores.heard]).wer < 0.7


def test_another_clip_does_not(items):
    one, other = items
    scores = score_clip("x", one.scene, other.clip)
    assert scores.heard is not None
    assert word_errors([one.scene.transcript], [scores.heard]).wer > 0.7
    assert scores.named_action != one.scene.action


def test_nothing_is_named_in_a_stem_under_50_lufs(items):
    clip = items[0].clip
    quiet = replace(clip, stems={stream: np.float32(0.01) * wave for stream, wave in clip.stems.items()})
    scores = score_clip("x", items[0].scene, quiet)
    assert scores.loudness[SFX] is not None
    assert scores.loudness[SFX] < -50
    assert (scores.named_action, scores.named_voice) == (None, None)
