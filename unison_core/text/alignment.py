"""Aligns phoneme tokens with a synthesiser's phones: monotone dynamic programming over how alike two sounds are."""

from collections.abc import Sequence

import numpy as np

from unison_core.text.vocabulary import PUNCTUATION, SPACE, STRESS, VOWELS

PAUSE = "pau"
ARPABET = {
    "ɪ": "ih ax iy", "ə": "ax ah ih er", "ɛ": "eh", "æ": "ae", "ʌ": "ah ax", "i": "iy ih", "iː": "iy", "ɚ": "er axr",
    "ɐ": "ax ah ey", "eɪ": "ey", "oʊ": "ow", "aɪ": "ay", "uː": "uw", "ɑː": "aa ao", "ᵻ": "ih ax iy", "ɔː": "ao aa ow",
    "ɜː": "er", "aʊ": "aw", "ɔ": "ao aa", "ʊ": "uh uw", "ɔɪ": "oy", "p": "p", "b": "b", "t": "t", "d": "d", "k": "k",
    "ɡ": "g", "f": "f", "v": "v", "θ": "th", "ð": "dh", "s": "s", "z": "z", "ʃ": "sh", "ʒ": "zh", "h": "hh", "m": "m",
    "n": "n", "ŋ": "ng", "l": "l", "ɹ": "r", "w": "w", "j": "y", "tʃ": "ch", "dʒ": "jh", "ɾ": "t d dx",
}  # fmt: skip
"""Phones that each sound may be called."""
ARPABET_VOWELS = frozenset(
    ("aa", "ae", "ah", "ao", "aw", "ax", "axr", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw")
)
LIKE = frozenset({"s z", "t d", "k g", "p b", "f v", "th dh", "sh zh", "n ng", "jh zh", "ch sh", "ch t", "jh d"})

SAME_KIND, OTHER_KIND, SKIPPED, EXTRA = 0.8, 2.5, 1.0, 1.0


def align(symbols: Sequence[str], phones: Sequence[str]) -> list[int]:
    """Index of the symbol that each phone belongs to, never decreasing.

    Several phones may belong to one symbol (a sound written once, spoken as two) and a symbol may have none (a sound
    that is not spoken, a space without a pause).
    """
    n, m = len(symbols), len(phones)
    cost = np.full((n + 1, m + 1), np.inf)
    cost[0, 0] = 0.0
    step = np.zeros((n + 1, m + 1), dtype=np.int8)  # 0 match, 1 skip the symbol, 2 one more phone for the symbol
    for i in range(n + 1):
        for j in range(m + 1):
            if i and j:
                _relax(cost, step, i, j, cost[i - 1, j - 1] + distance(symbols[i - 1], phones[j - 1]), 0)
                _relax(cost, step, i, j, cost[i, j - 1] + (0.1 if phones[j - 1] == PAUSE else EXTRA), 2)
            if i:
                _relax(cost, step, i, j, cost[i - 1, j] + _skip(symbols[i - 1]), 1)
    owners = [0] * m
    i, j = n, m
    while i or j:
        if step[i, j] != 1:
            owners[j - 1] = i - 1
        i, j = (i - (step[i, j] != 2)), (j - (step[i, j] != 1))
    return owners


def distance(symbol: str, phone: str) -> float:
    """How unlike a token and a phone are: 0 for one sound, up to 2.5."""
    silent = symbol == SPACE or symbol in PUNCTUATION
    if phone == PAUSE or silent:
        return {(True, True): 0.0 if symbol != SPACE else 0.2}.get((phone == PAUSE, silent), OTHER_KIND)
    sound = symbol.lstrip("".join(STRESS))
    names = ARPABET[sound].split()
    if phone in names:
        return 0.0
    if any(f"{a} {b}" in LIKE for name in names for a, b in ((name, phone), (phone, name))):
        return 0.4
    return SAME_KIND if (sound in VOWELS) == (phone in ARPABET_VOWELS) else OTHER_KIND


def _skip(symbol: str) -> float:
    if symbol == SPACE:
        return 0.0
    return 0.05 if symbol in PUNCTUATION else SKIPPED


def _relax(cost: np.ndarray, step: np.ndarray, i: int, j: int, value: float, kind: int) -> None:
    if value < cost[i, j]:
        cost[i, j], step[i, j] = value, kind
