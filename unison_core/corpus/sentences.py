"""Sentences to speak: a grammar of everyday talk, open vocabulary, and the split between training and evaluation.

Training draws from the grammar, from an optional file of sentences (or Debian's `fortunes`, where installed) and from
chains of random words, so that every phoneme meets every other. A sentence is held out when the hash of its letters
says so, or when it stands in `held_out.txt`; evaluation draws from the grammar and from that file, never from anything
that depends on the machine.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from unison_core.corpus.grammar import Grammar
from unison_core.errors import UsageError

DATA = Path(__file__).parent
FORTUNES = Path("/usr/share/games/fortunes")
SPLITS = ("train", "held_out")
HELD_OUT_SHARE = 0.03
MIN_WORDS, MAX_WORDS, MAX_LETTERS = 3, 12, 64
_CLAUSE = re.compile(r"[A-Za-z][A-Za-z' ,]*[.!?;:]")


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """Where sentences come from.

    Attributes:
        grammar: everyday talk.
        words: words that random chains are made of.
        open_train: sentences of open vocabulary for training; may be empty.
        open_held_out: natural sentences that are never trained on.
    """

    grammar: Grammar
    words: tuple[str, ...]
    open_train: tuple[str, ...]
    open_held_out: tuple[str, ...]

    def sample(self, rng: np.random.Generator, split: str = "train") -> str:
        """Draw a sentence of `split`; raises UsageError where there is no such split."""
        if split not in SPLITS:
            raise UsageError(f"unknown split {split!r}; there are: {', '.join(SPLITS)}")
        draw = self._draw_train if split == "train" else self._draw_held_out
        while True:
            sentence = draw(rng)
            if is_speakable(sentence) and is_held_out(sentence) == (split == "held_out"):
                return sentence

    def _draw_train(self, rng: np.random.Generator) -> str:
        kind = rng.uniform()
        if kind < 0.12:
            return chain(rng, self.words)
        if kind < 0.5 and self.open_train:
            return self.open_train[rng.integers(len(self.open_train))]
        return self.grammar.sample(rng)

    def _draw_held_out(self, rng: np.random.Generator) -> str:
        if rng.uniform() < 1 / 3:
            return self.open_held_out[rng.integers(len(self.open_held_out))]
        while not is_held_out(sentence := self.grammar.sample(rng)):
            pass
        return sentence


def sample_sentence(rng: np.random.Generator, split: str = "train", extra: Path | None = None) -> str:
    """Draw a sentence of `split`; `extra` is as in `load_sentences`."""
    return load_sentences(extra).sample(rng, split)


@cache
def load_sentences(extra: Path | None = None) -> Sentences:
    """The package's sentences with `extra` for training: a text file (a sentence a line) or a folder of fortunes.

    None takes Debian's fortunes where they are installed, and otherwise the package alone.
    """
    source = extra if extra is not None else FORTUNES
    if extra is not None and not extra.exists():
        raise UsageError(f"no sentences at {extra}: neither a text file nor a folder of fortunes")
    return Sentences(
        grammar=Grammar.read(DATA / "grammar.txt"),
        words=tuple(_lines(DATA / "words.txt")),
        open_train=tuple(open_sentences(source)) if source.exists() else (),
        open_held_out=held_out_sentences(),
    )


@cache
def held_out_sentences() -> tuple[str, ...]:
    """The sentences written for evaluation."""
    return tuple(_lines(DATA / "held_out.txt"))


@cache
def _held_out_letters() -> frozenset[str]:
    return frozenset(normalise(sentence) for sentence in held_out_sentences())


def normalise(sentence: str) -> str:
    """Lower-case words and apostrophes, single-spaced: what counts as the same sentence."""
    return " ".join(re.findall(r"[a-z']+", sentence.lower()))


def is_held_out(sentence: str) -> bool:
    """Whether a sentence is kept for evaluation: 3% by hash, and all of `held_out.txt`."""
    letters = normalise(sentence)
    digest = int.from_bytes(hashlib.blake2s(letters.encode(), digest_size=8).digest())
    return digest < HELD_OUT_SHARE * 2**64 or letters in _held_out_letters()


def is_speakable(sentence: str) -> bool:
    """Whether a sentence has a clip's length: 3 to 12 words, at most 64 characters."""
    return MIN_WORDS <= len(sentence.split()) <= MAX_WORDS and len(sentence) <= MAX_LETTERS


def chain(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    """Three to seven random words."""
    text = " ".join(words[i] for i in rng.integers(len(words), size=int(rng.integers(3, 8))))
    return text[0].upper() + text[1:] + "."


def open_sentences(source: Path) -> list[str]:
    """Speakable, distinct sentences and clauses of a text file, or of every file of a folder of fortunes, in order."""
    if source.is_file():
        return list(dict.fromkeys(s for line in _lines(source) for s in clauses(line)))
    texts = (
        block
        for path in sorted(source.iterdir())
        if path.is_file() and not path.suffix
        for block in path.read_text(encoding="utf-8", errors="replace").split("\n%\n")
    )
    return list(dict.fromkeys(s for text in texts for s in clauses(text)))


def write_sentences(source: Path, out: Path) -> int:
    """Write `open_sentences(source)` a line each, to carry to a machine without fortunes; returns their number."""
    sentences = open_sentences(source)
    out.write_text("\n".join(sentences) + "\n", encoding="utf-8")
    return len(sentences)


def clauses(text: str) -> Iterable[str]:
    """Sentences and clauses of letters, commas and apostrophes in `text` that are speakable."""
    text = re.sub(r"\n\s*--.*", "", text, flags=re.DOTALL)  # the source of a quotation
    text = " ".join(text.replace("\x08", "").replace("’", "'").split())
    for piece in re.findall(r"[^.!?;:]+[.!?;:]", text):
        piece = piece.strip(" \"'()")
        if _CLAUSE.fullmatch(piece) and not re.search(r"\b[A-Z]{2,}\b|(?<![A-Za-z])'|'(?![A-Za-z])", piece):
            piece = piece[0].upper() + piece[1:-1].rstrip(", ") + (piece[-1] if piece[-1] in "!?" else ".")
            if is_speakable(piece):
                yield piece


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"]
