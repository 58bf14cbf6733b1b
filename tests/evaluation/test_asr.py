"""Word errors count as they should, and the recogniser reads a synthesiser's voice."""

import shutil

import numpy as np
import pytest

pytest.importorskip("jiwer")
from unison_core.evaluation.asr import Recogniser, word_errors


def test_errors_are_counted_over_the_corpus_not_averaged_over_sentences():
    errors = word_errors(["a b c d", "e"], ["a b c d", "f"])
    assert errors.wer == pytest.approx(1 / 5)  # the mean of the sentences' rates would be 1/2


def test_each_kind_of_error_is_counted():
    errors = word_errors(["one two three"], ["one too three four"])
    assert (errors.substitutions, errors.deletions, errors.insertions, errors.words) == (1, 0, 1, 3)
    assert word_errors(["one two three"], ["one"]).deletions == 2


def test_normaliser_forgives_case_punctuation_and_hyphens_only():
    assert word_errors(["It's a well-known Song!"], ["its a well known song"]).wer == 0
    assert word_errors(["colour"], ["color"]).wer == 1


def test_words_for_nothing_are_insertions():
    assert word_errors(["", "yes"], ["noise", "yes"]).insertions == 1


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="no word"):
        word_errors(["..."], ["a"])
    with pytest.raises(ValueError, match="1 references against 2"):
        word_errors(["a"], ["a", "b"])


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    pytest.importorskip("pocketsphinx")
    return Recogniser()


def test_silence_reads_as_nothing(recogniser):
    assert recogniser.read(np.zeros(16000), 16000) == ""


@pytest.mark.skipif(shutil.which("flite") is None, reason="needs the synthesiser flite")
def test_reads_a_synthesised_sentence_at_any_level_rate_and_order(recogniser):
    from scipy.signal import resample_poly

    from unison_core.corpus.speech import RATE_HZ, speak

    text = "The train will leave in five minutes."
    wave = speak(text, "rms").wave
    first = recogniser.read(wave, RATE_HZ)
    assert word_errors([text], [first]).wer <= 0.3
    recogniser.read(np.random.default_rng(0).normal(size=16000), RATE_HZ)
    assert recogniser.read(wave * 0.05, RATE_HZ) == first  # neither the level nor what was read before matters
    assert word_errors([text], [recogniser.read(resample_poly(wave, 3, 1), 3 * RATE_HZ)]).wer <= 0.3
