"""Where recordings are cut: lengths from the grid, sentences whole, words without times whole or not at all."""

from itertools import pairwise

import pytest

from unison_core.preparation.cutting import Cut, Lengths, cut
from unison_core.preparation.reasons import Rejected
from unison_core.preparation.sources import Source
from unison_core.preparation.subtitles import Segment
from unison_core.timing import Timing

TIMING = Timing(fps=25, sample_rate_hz=16000, samples_per_latent=512, min_s=1.0, max_s=4.04)
LENGTHS = Lengths(timing=TIMING, shortest=25, longest=101)


def pieces(duration_s, **told):
    transcribed = told.pop("transcribed", False)
    return list(cut(Source(name="a", **told), duration_s, LENGTHS, transcribed=transcribed))


def segments(*times):
    return tuple(Segment(start_s=a, end_s=b, text=f"w{i}", voice="v") for i, (a, b) in enumerate(times))


@pytest.mark.parametrize(("seconds", "frames"), [(0.9, 0), (1.0, 25), (1.44, 25), (1.48, 37), (4.0, 97), (9.0, 101)])
def test_lengths_come_from_the_grid(seconds, frames):
    assert LENGTHS.fitting(seconds) == frames
    assert LENGTHS.fitting(1.44, exact=True) == 33


def test_without_words_a_recording_is_cut_evenly():
    made = pieces(10.0)
    assert [c.frames for c in made] == [101, 101, 37]
    assert [c.start_s for c in made] == pytest.approx([0, 4.04, 8.08])
    assert all(c.transcript is None for c in made)
    assert [c.transcript for c in pieces(5.0, transcript="")] == [""]


def test_a_part_of_a_recording():
    (only,) = pieces(10.0, start_s=3.0, end_s=4.7)
    assert (only.start_s, only.frames) == (3.0, 37)


def test_words_without_times_stay_whole_or_are_left_out():
    (whole,) = pieces(2.4, transcript="hello", span_s=(0.1, 2.0))
    assert (whole.frames, whole.span_s) == (57, (0.1, 2.0))
    (refused,) = pieces(8.0, transcript="hello")
    assert refused.reason == "untimed_words"
    assert [c.transcript for c in pieces(8.0, transcript="hello", transcribed=True)] == [None, None]
    (short,) = pieces(0.5, transcript="hello")
    assert short.reason == "length"


def test_no_sentence_is_cut_and_spans_are_the_clips_own():
    times = ((0.5, 1.5), (1.8, 3.2), (4.0, 5.5), (12.5, 13.2), (14.0, 19.0), (19.5, 20.5))
    made = pieces(22.0, segments=segments(*times))
    clips = [c for c in made if isinstance(c, Cut)]
    assert [c.transcript for c in clips] == ["w0 w1", "w2", "", "w3", "w5"]
    assert [r.reason for r in made if isinstance(r, Rejected)] == ["long_sentence"]
    for c in clips:
        end_s = c.start_s + c.frames / 25
        inside = [(a, b) for a, b in times if c.start_s <= a < end_s]
        assert all(b <= end_s + 1e-6 for _, b in inside)
        assert bool(inside) == bool(c.transcript)
        if c.span_s:
            assert c.span_s[0] + c.start_s == pytest.approx(inside[0][0], abs=1e-3)
            assert c.span_s[1] + c.start_s == pytest.approx(inside[-1][1], abs=1e-3)
    ends = [(c.start_s, c.start_s + c.frames / 25) for c in clips]
    assert all(a[1] <= b[0] + 1e-6 for a, b in pairwise(ends))


def test_two_voices_in_one_clip_are_nobodys():
    told = (Segment(start_s=0.3, end_s=1.0, text="a", voice="x"), Segment(start_s=1.2, end_s=2.0, text="b", voice="y"))
    (one,) = pieces(2.5, segments=told)
    assert (one.transcript, one.voice) == ("a b", None)
    (same,) = pieces(1.3, segments=told[:1])
    assert same.voice == "x"


def test_overlapping_sentences_end():
    assert pieces(6.0, segments=segments((0.5, 3.0), (1.0, 4.9), (2.0, 5.9)))


def test_wrong_lengths_are_errors():
    with pytest.raises(ValueError, match="not all 4k"):
        Lengths(timing=TIMING, shortest=25, longest=101, step=10)
    with pytest.raises(ValueError, match="longer than the longest"):
        Lengths(timing=TIMING, shortest=101, longest=25)
