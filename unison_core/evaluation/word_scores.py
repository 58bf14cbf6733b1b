"""Word and character error rates of one clip, weighted by the reference's length so that a set's rate is pooled."""

import re

from unison_core.evaluation.asr import word_errors
from unison_core.evaluation.item import CHINESE
from unison_core.evaluation.registry import Score, Unscored

UNSPACED = (CHINESE, "ja", "th")
"""Languages without spaces between words: their words are their characters."""


def score_words(reference: str, heard: str, language: str, names: tuple[str, str]) -> Score:
    """Word and character errors under `names`; raises Unscored where the reference holds no word."""
    values, weights = {}, {}
    for name, split in zip(names, (_words, _characters), strict=True):
        pair = [split(text, language) for text in (reference, heard)]
        try:
            errors = word_errors(pair[:1], pair[1:])
        except ValueError as error:
            raise Unscored("the transcript holds no word") from error
        values[name], weights[name] = errors.wer, errors.words
    return Score(values=values, weights=weights, notes={"heard": heard})


def _words(text: str, language: str) -> str:
    return _characters(text, language) if language in UNSPACED else text


def _characters(text: str, language: str) -> str:
    """Every letter as a word of its own; spaces and punctuation do not count."""
    return " ".join(re.sub(r"[\W_]", "", text.lower()))
