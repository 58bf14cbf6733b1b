"""Transcript to phonemes: any text gives tokens of the fixed vocabulary, each with a length."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from unison_core.config import load_preset
from unison_core.errors import UsageError
from unison_core.text.phonemes import PhonemeTokenizer, transcribe
from unison_core.text.vocabulary import IDS, NEAREST, PUNCTUATION, SPACE, SPLIT, SYMBOLS, tokens_of

TOKENIZER = PhonemeTokenizer()


def test_a_known_sentence() -> None:
    assert "".join(transcribe("Hello, you.")) == " həlˈoʊ, juː."


def test_the_vocabulary_suits_nano_and_is_closed() -> None:
    assert len(SYMBOLS) == len(set(SYMBOLS)) <= load_preset("nano").model.transcript.vocab
    for piece in {*NEAREST.values(), *(p for parts in SPLIT.values() for p in parts)}:
        assert piece in IDS


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "—", "\n\t", "\x00"])
def test_nothing_to_say_gives_no_tokens(text: str) -> None:
    assert len(TOKENIZER.encode(text)) == 0
    assert TOKENIZER.predict_duration_s(text) == 0


@pytest.mark.parametrize(
    "text",
    ["3,000 apples cost $5.50 in 1984", "Łódź, Zürich and mañana", "Привет 你好 🎸", "e-mail me @ 5%", "x" * 60,
     "(well) [then] {so} \"yes\" _now_ *go*", "don't can’t 'tis", "A.B.C. Dr. Smith", "tab\tand\nnewline"],
)  # fmt: skip
def test_any_text_becomes_known_tokens_with_lengths(text: str) -> None:
    tokens = TOKENIZER.encode(text)
    assert len(tokens) == len(tokens.durations_s) > 0
    assert all(0 < i < len(SYMBOLS) for i in tokens.ids)
    assert all(d >= 0 for d in tokens.durations_s)
    assert sum(tokens.durations_s) == pytest.approx(TOKENIZER.predict_duration_s(text))


@pytest.mark.parametrize("foreign", ["ʁ", "ˈøː", "ɑ̃", "ʈʂ", "ææ", "tɕ"])
def test_foreign_sounds_fall_on_the_nearest_english_ones(foreign: str) -> None:
    tokens = tokens_of(foreign)
    assert tokens
    assert all(t in IDS for t in tokens)


def test_stress_is_kept_on_the_first_vowel() -> None:
    assert tokens_of("ˈaɪɚ") == ["ˈaɪ", "ɚ"]
    assert tokens_of("ˌɔːɹ") == ["ˌɔː", "ɹ"]


def test_punctuation_pauses_and_titles_do_not() -> None:
    assert transcribe("Stop. Go on")[-1] == "."
    assert [s for s in transcribe("Wait, what? Yes... no -- go!") if s in PUNCTUATION] == [",", "?", "…", "—", "!"]
    assert [s for s in transcribe("Dr. Smith met J. R. Brown") if s in PUNCTUATION] == ["."]
    assert transcribe("3,000") == transcribe("3000")
    with_pause, without = (TOKENIZER.predict_duration_s(t) for t in ("Yes, we can.", "Yes we can."))
    assert with_pause > without + 0.05


def test_spaces_inside_a_sentence_have_no_length() -> None:
    tokens = TOKENIZER.encode("We start in five minutes")
    spaces = [d for i, d in zip(tokens.ids, tokens.durations_s, strict=True) if i == IDS[SPACE]]
    assert len(spaces) == 5
    assert spaces[0] > 0  # the moment before the first sound
    assert spaces[1:] == [0.0] * 4


def test_lengths_are_those_of_speech() -> None:
    """Ordinary English is spoken at 10 to 20 phonemes a second."""
    text = "The meeting was moved to Thursday because of the rain."
    assert 2.2 < TOKENIZER.predict_duration_s(text) < 4.0
    slow, fast = (TOKENIZER.predict_duration_s(text, v) for v in ("rms", "awb"))
    assert slow > fast
    with pytest.raises(UsageError, match="slt"):
        TOKENIZER.predict_duration_s(text, "nobody")


def test_another_table_is_read_letter_by_letter() -> None:
    """ZipVoice's table has one entry per letter; a phoneme's letters share its length."""
    letters = sorted({c for s in SYMBOLS for c in s})
    table = {c: i + 1 for i, c in enumerate(letters)}
    plain, spelled = TOKENIZER.encode("Hello you"), PhonemeTokenizer(table).encode("Hello you")
    names = dict(zip(table.values(), table, strict=True))
    assert "".join(names[i] for i in spelled.ids) == "".join(transcribe("Hello you"))
    assert sum(spelled.durations_s) == pytest.approx(sum(plain.durations_s))


def test_threads_may_share_a_tokenizer() -> None:
    texts = [f"Sentence number {i} is spoken." for i in range(40)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(transcribe, texts)) == [transcribe(t) for t in texts]


def test_a_sentence_takes_less_than_three_milliseconds() -> None:
    TOKENIZER.encode("Warm up.")
    times = []
    for i in range(20):
        start = time.perf_counter()
        TOKENIZER.encode(f"Number {i} leaves from the second platform at noon.")
        times.append(time.perf_counter() - start)
    assert sorted(times)[10] < 0.003
