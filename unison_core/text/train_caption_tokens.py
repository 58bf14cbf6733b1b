"""Trains the caption vocabulary on captions of the procedural corpus and, for words outside it, on everyday sentences.

python -m unison_core.text.train_caption_tokens [--captions 40000] [--out caption_bpe.json]

The bundled vocabulary is older than the corpus' wordings: another one is another language to the bundled weights.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from unison_core.corpus.sample import stage
from unison_core.corpus.scene import VOICES
from unison_core.corpus.sentences import DATA, load_sentences
from unison_core.corpus.speech import RATE_HZ, Utterance
from unison_core.text.caption_tokens import VOCABULARY

SIZE = 1024
P_SPEECH = 0.85


def train(texts: Iterator[str], size: int = SIZE) -> Tokenizer:
    """Byte-level BPE over lower-cased text; id 0 is the pad, the 256 bytes are always there."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<pad>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def captions(count: int) -> Iterator[str]:
    """Captions of training scenes. Nothing is synthesised: what is said leaves no trace in a caption."""
    rng = np.random.default_rng(0)
    for seed in range(count):
        voice = str(rng.choice(VOICES)) if rng.uniform() < P_SPEECH else None
        silence = np.zeros(RATE_HZ, dtype=np.float32)
        utterance = Utterance(text="words", voice=voice, wave=silence, phones=()) if voice else None
        yield stage(seed, "train", utterance).caption


def everyday(count: int) -> Iterator[str]:
    """Sentences and words that a user's caption may hold and the corpus does not."""
    rng, sentences = np.random.default_rng(0), load_sentences(DATA / "held_out.txt")
    yield from sentences.words
    for _ in range(count):
        yield sentences.grammar.sample(rng)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=int, default=40000)
    parser.add_argument("--out", type=Path, default=VOCABULARY)
    options = parser.parse_args()
    texts = [*captions(options.captions), *everyday(options.captions // 20)]
    train(iter(texts)).save(str(options.out))


if __name__ == "__main__":
    main()
