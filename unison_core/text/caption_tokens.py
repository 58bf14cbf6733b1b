"""Caption to token ids for the bundled caption encoder: byte-level BPE, which accepts any string.

Every caption ends with a stop, whether its writer set one or not: all captions of the corpus' grammar do, and the
encoder that learned from them gathers what it has read there. Without it clothes changed colour in a clip of five.

Retrain the vocabulary with `python -m unison_core.text.train_caption_tokens`.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer

VOCABULARY = Path(__file__).parent / "caption_bpe.json"
PAD = 0
STOP = "."
CLOSING = " .,;:!?…"
"""What a stop replaces at a caption's end."""


@dataclass(frozen=True, kw_only=True)
class CaptionTokens:
    """A caption, tokenised.

    Attributes:
        ids: `length` ids, the last of a caption a stop, padded with 0.
        dropped: tokens before the stop that did not fit.
    """

    ids: tuple[int, ...]
    dropped: int


class CaptionTokenizer:
    """The package's caption vocabulary. Case and runs of white space make no difference."""

    def encode(self, text: str, length: int) -> CaptionTokens:
        """Ids of `text` and a stop, zero-padded to `length`; a text without words is all pads."""
        body = " ".join(text.split()).rstrip(CLOSING)
        ids = tokenizer().encode(body + STOP).ids if body else []
        dropped = max(len(ids) - length, 0)
        kept = [*ids[: length - 1], ids[-1]] if dropped else ids
        return CaptionTokens(ids=(*kept, *[PAD] * (length - len(kept))), dropped=dropped)

    def decode(self, ids: tuple[int, ...]) -> str:
        """The text that `ids` stand for, in lower case."""
        return tokenizer().decode([i for i in ids if i != PAD]).strip()


@cache
def tokenizer() -> Tokenizer:
    """The tokenizer as trained, read once."""
    return Tokenizer.from_file(str(VOCABULARY))
