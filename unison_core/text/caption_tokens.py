"""Caption to token ids for the bundled caption encoder: byte-level BPE, which accepts any string.

Retrain the vocabulary with `python -m unison_core.text.train_caption_tokens`.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer

VOCABULARY = Path(__file__).parent / "caption_bpe.json"
PAD = 0


@dataclass(frozen=True, kw_only=True)
class CaptionTokens:
    """A caption, tokenised.

    Attributes:
        ids: `length` ids, padded with 0.
        dropped: tokens at the end that did not fit.
    """

    ids: tuple[int, ...]
    dropped: int


class CaptionTokenizer:
    """The package's caption vocabulary. Case and runs of white space make no difference."""

    def encode(self, text: str, length: int) -> CaptionTokens:
        """Ids of `text`, zero-padded to `length`; an empty text is all pads."""
        ids = tokenizer().encode(" ".join(text.split())).ids
        kept = ids[:length]
        return CaptionTokens(ids=(*kept, *[PAD] * (length - len(kept))), dropped=len(ids) - len(kept))

    def decode(self, ids: tuple[int, ...]) -> str:
        """The text that `ids` stand for, in lower case."""
        return tokenizer().decode([i for i in ids if i != PAD]).strip()


@cache
def tokenizer() -> Tokenizer:
    """The tokenizer as trained, read once."""
    return Tokenizer.from_file(str(VOCABULARY))
