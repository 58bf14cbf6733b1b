"""Transcript to phoneme tokens with lengths: espeak-ng's English phonemes, punctuation and spaces.

    "Hello, you." -> [space] h ə ˈl... , j uː .

The sequence opens with a space and ends with punctuation: these two carry the moments before the first and after the
last sound. Lengths come from `durations`.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from unison_core.text.durations import DurationModel
from unison_core.text.espeak import phonemes
from unison_core.text.vocabulary import IDS, PUNCTUATION, SPACE, tokens_of

TOKENS_FILE = "transcript_tokens.txt"
"""Where a model folder keeps a table of tokens that is not the package's own (ZipVoice's `tokens.txt`)."""
_PLAIN = str.maketrans({
    "’": "'", "‘": "'", "`": "'", "“": " ", "”": " ", '"': " ", "«": " ", "»": " ", "*": " ", "_": " ", "~": " ",
    "|": " ", "¿": " ", "¡": " ", "(": ", ", ")": ", ", "[": ", ", "]": ", ", "{": ", ", "}": ", ",
})  # fmt: skip
_TITLE = re.compile(r"\b(Dr|Mr|Mrs|Ms|Prof|St|Sr|Jr|Mt|Capt|Lt|Gen|Sgt|Rev|vs|[A-Z])\.(?=\s+\S)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_BREAK = re.compile(r"\s*((?:[,.!?;:…]+(?=[\s,.!?;:…—–-]|$)|\s[—–-]+(?=\s)|—|--+)+)\s*")


@dataclass(frozen=True, kw_only=True)
class PhonemeTokens:
    """A transcript, tokenised.

    Attributes:
        ids: token ids, none of them 0.
        durations_s: mean duration of each token in seconds; a space inside a sentence has none.
    """

    ids: tuple[int, ...]
    durations_s: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.ids)


class PhonemeTokenizer:
    """Text to phoneme ids and mean durations. One espeak-ng per process, behind a lock: threads may share this.

    Args:
        table: ids by symbol; None takes the package's vocabulary. Another table (ZipVoice's `tokens.txt`) is matched
            letter by letter over the same phonemes, and its tokens share the phoneme's duration.
    """

    def __init__(self, table: Mapping[str, int] | None = None) -> None:
        self.table = table

    @cached_property
    def durations(self) -> DurationModel:
        """Mean durations, read once."""
        return DurationModel.read()

    def encode(self, text: str) -> PhonemeTokens:
        """Tokens of `text`; none where there is nothing to say."""
        symbols = transcribe(text)
        durations = self.durations.predict(symbols)
        if self.table is None:
            return PhonemeTokens(ids=tuple(IDS[s] for s in symbols), durations_s=durations)
        ids, shares = [], []
        for symbol, duration_s in zip(symbols, durations, strict=True):
            letters = [self.table[c] for c in symbol if c in self.table]
            ids += letters
            shares += [duration_s / len(letters)] * len(letters) if letters else []
        return PhonemeTokens(ids=tuple(ids), durations_s=tuple(shares))

    def predict_duration_s(self, text: str, voice: str | None = None) -> float:
        """Length of `text` spoken, in seconds: the sum of its tokens' durations, at the pace of `voice` if given."""
        return sum(self.durations.predict(transcribe(text), voice))


def transcribe(text: str) -> list[str]:
    """Symbols of the vocabulary for `text`, a space between words; nothing where no word is spoken."""
    symbols: list[str] = []
    for chunk, mark in _clauses(text):
        words = [[t for p in word for t in tokens_of(p)] for word in phonemes(chunk)] if chunk else []
        for word in filter(None, words):
            symbols += [SPACE, *word]
        if mark and symbols and symbols[-1] not in PUNCTUATION:
            symbols.append(mark)
    if symbols and symbols[-1] not in PUNCTUATION:
        symbols.append(".")
    return symbols


def _clauses(text: str) -> list[tuple[str, str]]:
    """(words, the punctuation after them) in order."""
    text = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)
    parts = _BREAK.split(_THOUSANDS.sub("", _TITLE.sub(r"\1", text)))
    return [(chunk.strip(), _mark(mark)) for chunk, mark in zip(parts[::2], [*parts[1::2], ""], strict=True)]


def _mark(run: str) -> str:
    """The one token that a run of punctuation stands for."""
    run = "".join(run.split())
    if not run:
        return ""
    for mark in ("?", "!"):
        if mark in run:
            return mark
    if "…" in run or "..." in run:
        return "…"
    return "—" if run[0] in "-–—" else run[0]
