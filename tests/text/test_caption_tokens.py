"""Caption tokens: any string, no unknown token, what does not fit is counted."""

import pytest

from unison_core.config import load_preset
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
        assert TOKENIZER.decode(tokens.ids) == text.lower()


def test_words_of_the_corpus_are_single_tokens() -> None:
    tokens = TOKENIZER.encode(CAPTION, 48)
    assert sum(i != PAD for i in tokens.ids) <= len(CAPTION.split()) + 1


def test_what_does_not_fit_is_counted() -> None:
    whole, cut = TOKENIZER.encode(CAPTION, 48), TOKENIZER.encode(CAPTION, 5)
    assert cut.ids == whole.ids[:5]
    assert cut.dropped == sum(i != PAD for i in whole.ids) - 5


def test_empty_is_all_pads_and_case_and_space_do_not_matter() -> None:
    assert TOKENIZER.encode(" \n", 4).ids == (PAD,) * 4
    assert TOKENIZER.encode("a  RED\tdrum ", 9) == TOKENIZER.encode("a red drum", 9)
