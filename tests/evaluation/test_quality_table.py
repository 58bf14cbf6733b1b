"""The table counts what it says, judges by its thresholds, and never passes what could not be measured."""

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("jiwer")
from unison_core.evaluation.clip_scores import ClipScores
from unison_core.evaluation.quality_table import Line, markdown, quality_lines


@pytest.fixture
def clips(scores) -> list[ClipScores]:
    unheard = {
        "transcript": None,
        "heard": None,
        "voice": None,
        "named_voice": None,
        "lips_r": None,
        "lips_r_best": None,
    }
    quiet = replace(scores(20), **unheard, loudness={"speech": None, "sfx": -25.0})
    still = replace(scores(21), action=None, named_action=None, loudness={"speech": -24.0, "sfx": -71.0})
    return [*map(scores, range(12)), quiet, still]


def line(lines: list[Line], name: str) -> Line:
    return next(line for line in lines if line.name.startswith(name))


def test_faultless_clips_pass_every_line(clips):
    lines = quality_lines(clips, reference_wer=0.0)
    assert [line.name for line in lines if line.passed is False] == []
    assert sum(line.passed is True for line in lines) == 9


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ({"heard": "not these words at all"}, "word errors over"),
        ({"named_action": "bell"}, "asked-for sound"),
        ({"onsets": [0.0, 1.0] * 150}, "true pairing"),
        ({"lips_r": 0.3}, "mouth opening"),
        ({"named_colours": {"clothes": "blue"}}, "asked-for colours"),
        ({"named_voice": "rms"}, "asked-for voice"),
    ],
)
def test_each_fault_fails_its_line(clips, fault, name):
    faulty = [replace(clip, **fault) if clip.transcript and clip.action else clip for clip in clips]
    assert line(quality_lines(faulty, reference_wer=0.0), name).passed is False


def test_late_sound_fails_the_lag(clips):
    late = [replace(clip, onsets=np.roll(clip.onsets, 8).tolist()) for clip in clips]
    lag = line(quality_lines(late, reference_wer=0.0), "distance of sound")
    assert lag.value == pytest.approx(80, abs=2)
    assert lag.passed is False


def test_one_loud_stem_among_the_quiet_fails(clips):
    murmuring = [replace(c, loudness={"speech": -40.0, "sfx": -25.0}) if c.transcript is None else c for c in clips]
    assert line(quality_lines(murmuring, reference_wer=0.0), "no transcript").passed is False


def test_nothing_measured_has_not_passed(clips):
    still = [replace(clip, motion=[0.0] * 300) for clip in clips]
    lag = line(quality_lines(still, reference_wer=0.0), "distance of sound")
    assert (lag.value, lag.skipped, lag.passed) == (None, 13, False)
    assert line(quality_lines(clips, reference_wer=None), "word errors over").passed is False


def test_word_errors_are_judged_in_points_over_the_recordings(clips):
    over = line(quality_lines(clips, reference_wer=0.2), "word errors over")
    assert over.value == pytest.approx(-20)


def test_markdown_has_a_column_per_source_and_the_verdict(clips):
    lines = quality_lines(clips, reference_wer=0.0)
    table = markdown({"recordings": lines, "generated": lines}, judged="generated").splitlines()
    assert table[0] == "| measure | recordings | generated | asked for | generated |"
    assert all(row.count(" | ") == 4 for row in table)
    assert next(row for row in table if "loudest speech stem" in row).endswith("| at most -50 | pass |")
    assert line(lines, "no transcript").value == -math.inf
