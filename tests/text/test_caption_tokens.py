"""Caption tokens: any string, no unknown token, what does not fit is counted."""

import pytest

from unison_core.config import load_preset
from unison_core.corpus.sample import stage
from unison_core.text.caption_tokens import PAD, CaptionTokenizer, tokenizer

TOKENIZER = CaptionTokenizer()
CAPTION = "A woman in a green coat talks while a drum is struck"


def test_the_vocabulary_is_the_presets() -> None:
    assert tokenizer().get_vocab_size() == load_preset("nano").model.caption.vocab
    assert tokenizer().token_to_id("<pad>") == PAD


@pytest.mark.parametrize("text", [CAPTION, "日本語のキャプション 🎸", "naïve café, 1984", "a\x00b", "<pad> and <unk>"])
def test_any_string_survives(text: str) -> None:
    tokens = TOKENIZER.encode(text, 80)
    assert len(tokens.ids) == 80
    assert tokens.dropped == 0
    if "<" not in text:
        assert TOKENIZER.decode(tokens.ids) == text.lower() + "."


def test_words_of_the_corpus_are_single_tokens() -> None:
    tokens = TOKENIZER.encode(CAPTION, 48)
    assert sum(i != PAD for i in tokens.ids) <= len(CAPTION.split()) + 2


@pytest.mark.parametrize("end", [".", " .", "!", "?", ";", "...", "…", ". "])
def test_however_a_caption_ends_it_ends_with_a_stop(end: str) -> None:
    assert TOKENIZER.encode(CAPTION + end, 48) == TOKENIZER.encode(CAPTION, 48)
    assert TOKENIZER.decode(TOKENIZER.encode(CAPTION + end, 48).ids) == CAPTION.lower() + "."


def test_captions_of_the_corpus_grammar_are_read_as_they_are() -> None:
    for seed in range(50):
        text = stage(seed, "held_out", None).caption
        ids = tokenizer().encode(text).ids
        assert TOKENIZER.encode(text, 64).ids == (*ids, *[PAD] * (64 - len(ids)))


def test_what_does_not_fit_is_counted_and_the_stop_stays() -> None:
    whole, cut = TOKENIZER.encode(CAPTION, 48), TOKENIZER.encode(CAPTION, 5)
    assert cut.ids[:4] == whole.ids[:4]
    assert TOKENIZER.decode(cut.ids).endswith(".")
    assert cut.dropped == sum(i != PAD for i in whole.ids) - 5


def test_empty_is_all_pads_and_case_and_space_do_not_matter() -> None:
    assert TOKENIZER.encode(" \n", 4).ids == TOKENIZER.encode(" . ", 4).ids == (PAD,) * 4
    assert TOKENIZER.encode("a  RED\tdrum ", 9) == TOKENIZER.encode("a red drum", 9)
