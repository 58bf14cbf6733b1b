"""Fits the table of phoneme durations on a synthesiser's speech, whose phone boundaries are known.

    python -m unison_core.text.fit_durations [--sentences 1920] [--out phoneme_durations.json]

Sentences of the corpus, single words and joined clauses are spoken by every voice; tokens are aligned with the printed
phones; means, context factors and each voice's pace are the multiplicative (Poisson) fit of the lengths, by iterative
scaling. Prints the errors on held-out sentences.
"""

import argparse
import dataclasses
import json
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unison_core.corpus.scene import VOICES
from unison_core.corpus.sentences import load_sentences
from unison_core.corpus.speech import LEAD_S, TAIL_S, speak
from unison_core.text.alignment import align
from unison_core.text.durations import TABLE, DurationModel, features
from unison_core.text.phonemes import transcribe
from unison_core.text.vocabulary import PUNCTUATION, SPACE, SYMBOLS

SWEEPS = 20
PRIOR_S = 0.4
"""Seconds of speech at the unscaled length that every factor is averaged with, so that rare ones stay near 1."""


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """A sentence as spoken: symbols, and for each the seconds that it lasted; the recording's edges are left out."""

    voice: str
    symbols: tuple[str, ...]
    durations_s: tuple[float, ...]

    def __iter__(self):
        """(index, symbol, seconds) of what has a length: sounds and the punctuation between them."""
        for i in range(1, len(self.symbols) - 1):
            if self.symbols[i] != SPACE:
                yield i, self.symbols[i], self.durations_s[i]


def record(text: str, voice: str) -> Spoken:
    """Have `text` spoken and give each symbol the phones that it aligns with."""
    symbols, phones = transcribe(text), speak(text, voice).phones
    durations = np.zeros(len(symbols))
    for owner, phone in zip(align(symbols, [p.name for p in phones]), phones, strict=True):
        durations[owner] += phone.end_s - phone.start_s
    return Spoken(voice=voice, symbols=tuple(symbols), durations_s=tuple(durations))


def texts(rng: np.random.Generator, count: int, split: str) -> list[str]:
    """Sentences of `split`; for training also a sixth single words and a sixth clauses joined by any punctuation."""
    sentences, drawn = load_sentences(), []
    for i in range(count):
        text = sentences.sample(rng, split)
        if split == "train" and i % 6 == 4:
            mark = str(rng.choice(PUNCTUATION))
            joint = {"—": " -- ", "…": "... "}.get(mark, f"{mark} ")
            text = joint.join(s.rstrip(".!?;:") for s in (text, sentences.sample(rng, split))) + "."
        elif split == "train" and i % 6 == 5:
            text = f"{str(rng.choice(sentences.words)).capitalize()}."
        drawn.append(text)
    return drawn


def fit(data: Sequence[Spoken]) -> DurationModel:
    """Means, factors and paces under which every symbol, feature and voice gets as many seconds as it was spoken."""
    seconds: list[float] = []
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for spoken in data:
        for i, symbol, duration_s in spoken:
            names = [("mean_s", symbol), ("voices", spoken.voice)]
            names += [("factors", feature) for feature in features(spoken.symbols, i)]
            for key in names:
                groups[key].append(len(seconds))
            seconds.append(duration_s)
    heard = np.array(seconds)
    predicted = np.full(len(heard), heard.mean())
    value = {name: heard.mean() if name[0] == "mean_s" else 1.0 for name in groups}
    for _ in range(SWEEPS):
        for name, members in groups.items():
            ratio = (heard[members].sum() + PRIOR_S) / (predicted[members].sum() + PRIOR_S)
            value[name] *= ratio
            predicted[members] *= ratio
    pace = np.mean([number for (kind, _), number in value.items() if kind == "voices"])  # of a voice unknown
    scale = {"mean_s": pace, "voices": 1 / pace, "factors": 1.0}
    tables: dict[str, dict[str, float]] = {"mean_s": {}, "factors": {}, "voices": {}}
    for (kind, entry), number in sorted(value.items()):
        tables[kind][entry] = round(float(number * scale[kind]), 4)
    unseen = [s for s in SYMBOLS[1:] if s != SPACE and s not in tables["mean_s"]]
    for symbol in unseen:  # stress variants that English hardly has: the plain vowel's mean
        plain = symbol.lstrip("ˈˌ")
        known = [tables["mean_s"][v] for v in (plain, "ˈ" + plain, "ˌ" + plain) if v in tables["mean_s"]]
        if known:
            tables["mean_s"][symbol] = known[0]
    return DurationModel(**tables, lead_s=LEAD_S, tail_s=TAIL_S)


def report(data: Sequence[Spoken], model: DurationModel) -> str:
    """Errors of predicted length and of token boundaries within the true span, with equal shares for comparison."""
    lengths: list[float] = []
    paced: list[float] = []
    weighted: list[float] = []
    even: list[float] = []
    for spoken in data:
        heard = np.array(spoken.durations_s)
        sounds = [i for i, _, _ in spoken]
        plain, own = (
            np.array([0.0, *model.predict(spoken.symbols, voice)[1:-1], 0.0]) for voice in (None, spoken.voice)
        )
        lengths.append(abs(plain.sum() / heard.sum() - 1))
        paced.append(abs(own.sum() / heard.sum() - 1))
        shares = np.zeros_like(heard)
        shares[sounds] = 1.0
        for errors, weights in ((weighted, plain), (even, shares)):
            ends = np.cumsum(weights) / weights.sum() * heard.sum()
            errors.extend(np.abs(ends - np.cumsum(heard))[sounds])
    return (
        f"{len(data)} held-out sentences: length off by {100 * np.mean(lengths):.1f}% "
        f"(median {100 * np.median(lengths):.1f}%), {100 * np.mean(paced):.1f}% with the voice's pace; "
        f"boundaries off by {1000 * np.mean(weighted):.0f} ms weighted, {1000 * np.mean(even):.0f} ms with equal shares"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=1920)
    parser.add_argument("--out", type=Path, default=TABLE)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    data = {}
    with ThreadPoolExecutor(2) as pool:
        for split, count in (("train", options.sentences), ("held_out", options.sentences // 8)):
            drawn = texts(rng, count, split)
            data[split] = list(pool.map(record, drawn, [VOICES[(i + i // 6) % len(VOICES)] for i in range(count)]))
    model = fit(data["train"])
    options.out.write_text(json.dumps(dataclasses.asdict(model), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(report(data["held_out"], model))
    print("pace: " + ", ".join(f"{voice} {pace:.3f}" for voice, pace in model.voices.items()))


if __name__ == "__main__":
    main()
