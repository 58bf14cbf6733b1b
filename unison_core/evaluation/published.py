"""Rows that the papers publish, quoted as they stand there, beside which ours are set.

No figure here was measured by this project. A dash is a figure that the paper does not give, or that its text, as it
was at hand here, does not hold (Unison prints Table 1 as a picture; its ablations and prose give four of its figures).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from unison_core.evaluation.registry import DOWN, UP


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """A table of a paper.

    Attributes:
        title: of the table. columns: its title, our figure's name (None: not built here), and which way is better.
        rows: published values by method and column, as printed.
        scale: factor from our figure to the paper's unit, by column.
        mean_of_kinds: the paper averages its subsets, not its clips.
        note: what to know before comparing.
    """

    title: str
    columns: tuple[tuple[str, str | None, str], ...]
    rows: Mapping[str, Mapping[str, str]]
    scale: Mapping[str, float] = field(default_factory=dict)
    mean_of_kinds: bool = False
    note: str


UNISON_1 = PublishedTable(
    title="Unison, Table 1",
    columns=(
        ("VA", "aesthetic", UP), ("ID", "identity", UP), ("PQ", "pq", UP), ("CU", "cu", UP),
        ("WER", "wer_whisper", DOWN), ("TA", "clap", UP), ("TV", None, UP), ("AV", None, UP),
        ("LSE-C", "lse_c", UP), ("LSE-D", "lse_d", DOWN), ("DS", "desync", DOWN),
    ),
    rows={"Unison (as published)": {"VA": "4.02", "PQ": "6.34", "LSE-C": "3.30", "DS": "0.08"}},
    note="The published row holds the figures that the paper's text gives for its full model (sec. 4.3). Its 1,000 "
    "test samples are not public: figures on other clips are not comparable with it. AV there is ImageBind's; ours, "
    "by PE-AV, is `pe_av`, another scale.",
)  # fmt: skip

_HARMONY = ("AQ", "IQ", "DD", "MS", "ID", "PQ", "PC", "CE", "CU", "WER", "IB-A", "Sync-C", "Sync-D", "DeSync", "IB")
_HARMONY_ROWS = {
    "MM-Diffusion": "0.32 0.43 0.13 0.99 - 5.37 4.07 4.27 5.89 - - - - - 0.12",
    "JavisDiT": "0.34 0.53 0.38 0.99 0.38 5.46 2.24 3.19 4.54 1.00 0.14 0.89 11.62 1.13 0.18",
    "UniVerse-1": "0.52 0.67 0.24 0.99 0.89 5.52 2.13 3.63 4.84 0.24 0.07 0.97 10.71 1.10 0.12",
    "Ovi": "0.57 0.65 0.34 0.99 0.90 6.19 2.13 4.44 5.84 0.49 0.12 4.04 9.62 1.14 0.18",
    "Harmony": "0.59 0.65 0.36 0.99 0.91 6.39 2.05 4.73 5.67 0.15 0.12 5.61 7.53 0.92 0.19",
}

HARMONY_2 = PublishedTable(
    title="Harmony, Table 2",
    columns=(
        ("AQ", "aesthetic", UP), ("IQ", None, UP), ("DD", None, UP), ("MS", None, UP), ("ID", "identity_reference", UP),
        ("PQ", "pq", UP), ("PC", "pc", DOWN), ("CE", "ce", UP), ("CU", "cu", UP), ("WER", "wer_whisper_mix", DOWN),
        ("IB-A", None, UP), ("Sync-C", "lse_c", UP), ("Sync-D", "lse_d", DOWN), ("DeSync", "desync", DOWN),
        ("IB", None, UP),
    ),
    rows={name: dict(zip(_HARMONY, row.split(), strict=True)) for name, row in _HARMONY_ROWS.items()},
    scale={"AQ": 0.1},
    mean_of_kinds=True,
    note="Averages over ambient, speech and complex scenes of Harmony-Bench, whose 150 items are not public: figures "
    "on other clips are not comparable with them. AQ is the aesthetic score over 10.",
)  # fmt: skip
