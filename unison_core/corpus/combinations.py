"""Which combinations training never sees: one in ten (action, ambience) pairs and (clothes, background, hair) triples.

A combination is held out when a weighted sum of its places in the tables is divisible by ten, so every single value is
still seen in training, and every value of the smaller tables is tested too.
"""

from itertools import product

import numpy as np

from unison_core.corpus.scene import ACTIONS, AMBIENCES, BACKGROUNDS, CLOTHES, HAIRS

SOUNDS = tuple(product(ACTIONS, AMBIENCES))
COLOURS = tuple(product(CLOTHES, BACKGROUNDS, HAIRS))
HELD_OUT_SOUNDS = frozenset(
    (action, ambience)
    for (i, action), (j, ambience) in product(enumerate(ACTIONS), enumerate(AMBIENCES))
    if (3 * i + 7 * j) % 10 == 0
)
HELD_OUT_COLOURS = frozenset(
    (clothes, background, hair)
    for (i, clothes), (j, background), (k, hair) in product(
        enumerate(CLOTHES), enumerate(BACKGROUNDS), enumerate(HAIRS)
    )
    if (i + 7 * j + 2 * k) % 10 == 0
)


def draw_sounds(rng: np.random.Generator, held_out: bool) -> tuple[str, str]:
    """An (action, ambience) pair of the split."""
    pairs = [pair for pair in SOUNDS if (pair in HELD_OUT_SOUNDS) == held_out]
    return pairs[rng.integers(len(pairs))]


def draw_colours(rng: np.random.Generator, held_out: bool) -> tuple[str, str, str]:
    """A (clothes, background, hair) triple of the split."""
    triples = [triple for triple in COLOURS if (triple in HELD_OUT_COLOURS) == held_out]
    return triples[rng.integers(len(triples))]
