"""A template grammar: `{name}` in a template is replaced by a random entry of the list `[name]`, to any depth.

[time]
two o'clock | noon | {weekday} morning
[sentence]
We meet at {time}
"""

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from unison_core.errors import UnisonError

_SLOT = re.compile(r"\{([a-z_]+)\}")
_BEFORE_VOWEL = re.compile(r"\b([Aa]) (?=(?!one\b|uni|euro|use)[aeiou]|hour|honest)")


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """Lists of alternatives by name; `sentence` is where sampling starts."""

    lists: dict[str, tuple[str, ...]]

    @classmethod
    def read(cls, path: Path, free: tuple[str, ...] = ()) -> "Grammar":
        """Read `[name]` sections whose entries are separated by `|` or line ends; `#` starts a comment line.

        Raises UnisonError where a slot names no list, unless it is one of `free`, which are bound later.
        """
        lists: dict[str, list[str]] = {}
        name = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            line = line.strip()
            if line.startswith("[") and line.endswith("]"):
                name = line[1:-1]
                lists.setdefault(name, [])
            elif line and not line.startswith("#"):
                lists[name].extend(entry.strip() for entry in line.split("|") if entry.strip())
        grammar = cls(lists={key: tuple(values) for key, values in lists.items()})
        for entries in grammar.lists.values():
            for slot in (slot for entry in entries for slot in _SLOT.findall(entry)):
                if slot not in grammar.lists and slot not in free:
                    raise UnisonError(f"{path.name}: {{{slot}}} names no list")
        return grammar

    def sample(self, rng: np.random.Generator) -> str:
        """Draw a sentence; templates with more completions come up more often, in proportion to their logarithm."""
        template = self.lists["sentence"][int(np.searchsorted(self._cumulative, rng.uniform()))]
        return finish(self.fill(template, rng))

    def fill(self, template: str, rng: np.random.Generator) -> str:
        """Replace every slot by a random entry."""

        def entry(match: re.Match[str]) -> str:
            entries = self.lists[match[1]]
            return self.fill(entries[rng.integers(len(entries))], rng)

        return _SLOT.sub(entry, template)

    def count(self, template: str) -> int:
        """Number of completions of `template`, counting repeated ones as often as they arise."""
        return math.prod(sum(map(self.count, self.lists[slot])) for slot in _SLOT.findall(template))

    @cached_property
    def _cumulative(self) -> np.ndarray:
        weights = np.array([1 + math.log(self.count(t)) for t in self.lists["sentence"]])
        return np.cumsum(weights) / weights.sum()


def articles(text: str) -> str:
    """`an` for `a` before a vowel, single spaces."""
    return _BEFORE_VOWEL.sub(r"\1n ", " ".join(text.split()))


def finish(text: str) -> str:
    """Capital letter, final stop, `a` or `an`."""
    text = articles(text)
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
