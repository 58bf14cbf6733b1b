"""Alignment of tokens with phones: monotone, complete, pauses at punctuation."""

from unison_core.text.alignment import ARPABET, align
from unison_core.text.phonemes import transcribe
from unison_core.text.vocabulary import CONSONANTS, VOWELS


def owners(text: str, phones: str) -> list[str]:
    symbols = transcribe(text)
    return [symbols[i] for i in align(symbols, phones.split())]


def test_every_sound_has_a_phone_name() -> None:
    assert set(ARPABET) == {*VOWELS, *CONSONANTS}


def test_each_phone_finds_its_sound() -> None:
    assert owners("Hello, you.", "hh ax l ow pau y uw") == ["h", "ə", "l", "ˈoʊ", ",", "j", "uː"]


def test_two_phones_may_belong_to_one_sound_and_a_sound_may_have_none() -> None:
    assert owners("fire", "f ay er") == ["f", "ˈaɪ", "ɚ"]
    assert owners("bird", "b er r d") == ["b", "ˈɜː", "ˈɜː", "d"]
    assert owners("start", "s t aa t") == ["s", "t", "ˈɑː", "t"]  # a voice without r after vowels


def test_a_pause_without_punctuation_falls_on_the_space() -> None:
    assert owners("Go home", "g ow pau hh ow m")[2] == " "
