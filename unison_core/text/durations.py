"""How long each phoneme token lasts: a mean per token, scaled by what stands around it.

    d_i = mean[token_i] * product of factor[f] over the features f of token i (its neighbours, its place in the phrase).

The table is fitted on synthesised speech by `python -m unison_core.text.fit_durations`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from unison_core.errors import UsageError
from unison_core.text.vocabulary import PUNCTUATION, SPACE, STRESS, VOWELS

TABLE = Path(__file__).parent / "phoneme_durations.json"
CLASSES = {
    "p": "stop", "t": "stop", "k": "stop", "tʃ": "stop", "b": "voiced stop", "d": "voiced stop", "ɡ": "voiced stop",
    "dʒ": "voiced stop", "ɾ": "voiced stop", "f": "fricative", "θ": "fricative", "s": "fricative", "ʃ": "fricative",
    "h": "fricative", "v": "voiced fricative", "ð": "voiced fricative", "z": "voiced fricative",
    "ʒ": "voiced fricative", "m": "nasal", "n": "nasal", "ŋ": "nasal", "l": "liquid", "ɹ": "liquid", "w": "glide",
    "j": "glide",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DurationModel:
    """Mean durations of tokens.

    Attributes:
        mean_s: seconds by symbol, in a neutral context.
        factors: multipliers by feature (`features`); a feature without an entry changes nothing.
        voices: pace by voice, as a multiplier on the whole length.
        lead_s, tail_s: what a recording keeps before the first sound and after the last one.
    """

    mean_s: Mapping[str, float]
    factors: Mapping[str, float]
    voices: Mapping[str, float]
    lead_s: float
    tail_s: float

    @staticmethod
    @cache
    def read(path: Path = TABLE) -> "DurationModel":
        """The fitted table."""
        return DurationModel(**json.loads(path.read_text(encoding="utf-8")))

    def predict(self, symbols: Sequence[str], voice: str | None = None) -> tuple[float, ...]:
        """Seconds of every symbol; the first and the last hold the lead and the tail, other spaces nothing.

        Raises UsageError for a voice without a pace.
        """
        if voice is not None and voice not in self.voices:
            raise UsageError(f"no pace is known for voice {voice!r}; there are: {', '.join(self.voices)}")
        if not symbols:
            return ()
        pace = 1.0 if voice is None else self.voices[voice]
        inner = []
        for i, symbol in enumerate(symbols):
            duration_s = self.mean_s.get(symbol, 0.0) * pace
            for feature in features(symbols, i):
                duration_s *= self.factors.get(feature, 1.0)
            inner.append(duration_s)
        return (self.lead_s, *inner[1:-1], self.tail_s)


def features(symbols: Sequence[str], i: int) -> list[str]:
    """Names of what surrounds symbol i: own class with the previous and next sound's class, and its place."""
    own = sound_class(symbols[i])
    if own in ("space", "pause"):
        return []
    before, after = symbols[i - 1] if i else SPACE, symbols[i + 1] if i + 1 < len(symbols) else "."
    named = [f"{_near(symbols, i, -1)} <{own}", f"{own}> {_near(symbols, i, 1)}"]
    if before == SPACE:
        named.append(f"{own} opens word")
    if after == SPACE:
        named.append(f"{own} closes word")
    rest = symbols[i + 1 :]
    stop = next((k for k, s in enumerate(rest) if s in PUNCTUATION), len(rest))
    vowels_left = sum(sound_class(s) == "vowel" for s in rest[:stop])
    if vowels_left == 0:
        named.append(f"{own} in last rhyme")
    elif vowels_left == 1:
        named.append(f"{own} before last rhyme")
    return named


def sound_class(symbol: str) -> str:
    """Manner of articulation; `space` or `pause` for what is not a sound."""
    if symbol == SPACE:
        return "space"
    if symbol in PUNCTUATION:
        return "pause"
    sound = symbol.lstrip("".join(STRESS))
    return "vowel" if sound in VOWELS else CLASSES[sound]


def _near(symbols: Sequence[str], i: int, step: int) -> str:
    """Class of the nearest sound or pause from i in direction `step`, over spaces."""
    i += step
    while 0 <= i < len(symbols) and symbols[i] == SPACE:
        i += step
    return sound_class(symbols[i]) if 0 <= i < len(symbols) else "pause"
