"""Prompts to tensors: default spans, spans given, transcripts that do not fit, batches."""

import pytest
import torch

from unison_core.config import load_preset
from unison_core.errors import UsageError
from unison_core.text.prompt import (
    END_S,
    START_S,
    caption_overflow,
    encode_prompts,
    fitting_duration_s,
    span_for,
    span_within,
)
from unison_core.types import Prompt

NANO = load_preset("nano")
WORDS = "We start in five minutes"


def test_a_batch_is_padded_and_masked() -> None:
    prompts = [Prompt(caption="a red drum", transcript=WORDS), Prompt(transcript="Yes"), Prompt(caption="rain")]
    text = encode_prompts(prompts, NANO)
    assert text.caption_ids.shape == (3, NANO.model.caption.length)
    assert text.phoneme_mask.sum(dim=1).tolist() == [(row > 0).sum() for row in text.phoneme_ids]
    assert not text.phoneme_mask[2].any()
    assert text.span_s[2].tolist() == [0.0, 0.0]
    assert (text.phoneme_weights[~text.phoneme_mask] == 0).all()
    alone = encode_prompts(prompts[1:2], NANO)
    width = alone.phoneme_ids.shape[1]
    assert torch.equal(text.phoneme_ids[1, :width], alone.phoneme_ids[0])


def test_the_default_span_is_the_predicted_length() -> None:
    text = encode_prompts([Prompt(transcript=WORDS)], NANO)
    start_s, end_s = text.span_s[0].tolist()
    assert start_s == pytest.approx(START_S)
    assert end_s - start_s == pytest.approx(text.phoneme_weights.sum().item(), abs=1e-5)
    assert fitting_duration_s(WORDS) == pytest.approx(end_s + END_S, abs=1e-5)
    assert span_for(WORDS, 4.0) == pytest.approx((start_s, end_s))


def test_quiet_shrinks_before_a_transcript_is_refused() -> None:
    natural_s = fitting_duration_s(WORDS) - START_S - END_S
    start_s, end_s = span_for(WORDS, natural_s + 0.12)
    assert start_s == pytest.approx(0.05, abs=1e-6)
    assert end_s - start_s == pytest.approx(natural_s)
    with pytest.raises(UsageError, match=f"{fitting_duration_s(WORDS):.1f} s would hold it"):
        span_for(WORDS, natural_s - 0.1)


def test_a_given_span_is_kept_and_checked() -> None:
    text = encode_prompts([Prompt(transcript=WORDS, span_s=(0.5, 2.0))], NANO, [2.0])
    assert text.span_s[0].tolist() == [0.5, 2.0]
    for span in ((0.5, 2.1), (-0.1, 1.0), (1.0, 1.0)):
        with pytest.raises(UsageError, match="speech span"):
            encode_prompts([Prompt(transcript=WORDS, span_s=span)], NANO, [2.0])


def test_nothing_to_say_needs_no_time() -> None:
    assert fitting_duration_s("") == 0
    assert span_for(" ... ", 1.0) == (0.0, 0.0)


def test_withheld_rows_stack_under_given_ones() -> None:
    given = encode_prompts([Prompt(transcript=WORDS)], NANO)
    null = encode_prompts([Prompt()], NANO, dropped=True)
    both = given.stack(null)
    assert both.dropped.tolist() == [False, True]
    assert both.phoneme_mask.sum(dim=1).tolist() == [len(given.phoneme_ids[0]), 0]


def test_long_captions_report_what_is_not_read() -> None:
    assert caption_overflow("a red drum", NANO) == 0
    assert caption_overflow("drum " * (NANO.model.caption.length + 12), NANO) == 13  # and a stop
    assert caption_overflow("drum " * 600, load_preset("5b")) == 0


def test_words_that_replace_others_keep_a_pace_that_can_be_said() -> None:
    words = "We start in five minutes"
    natural_s = span_for(words, 9.0)[1] - span_for(words, 9.0)[0]
    assert span_within(words, (1.0, 1.0 + natural_s), 9.0) == pytest.approx((1.0, 1.0 + natural_s))
    assert span_within(words, (1.0, 1.2), 9.0) == pytest.approx((1.0, 1.0 + 0.95 * natural_s))
    assert span_within(words, (1.0, 8.0), 9.0) == pytest.approx((1.0, 1.0 + 1.35 * natural_s))
    start_s, end_s = span_within(words, (2.9, 3.0), 3.0)
    assert (start_s, end_s) == pytest.approx((3.0 - 0.95 * natural_s, 3.0)), "earlier, where the clip ends"
    with pytest.raises(UsageError, match="does not fit"):
        span_within(words, (0.1, 0.2), 0.3)
