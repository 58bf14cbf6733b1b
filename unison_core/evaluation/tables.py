"""Summaries as Markdown: every figure with its interval and coverage, and the layouts of the papers' tables."""

from collections.abc import Mapping, Sequence

from unison_core.evaluation.published import HARMONY_2, UNISON_1, PublishedTable
from unison_core.evaluation.registry import DOWN, NEITHER, UP, ZERO, Figure, Metric, figures_of, metrics
from unison_core.evaluation.statistics import Estimate
from unison_core.evaluation.summary import Summary

ARROWS = {UP: "↑", DOWN: "↓", ZERO: "→0", NEITHER: ""}
NONE = "-"


def markdown(summary: Summary) -> str:
    """All figures, then the papers' tables where one of their columns was measured."""
    parts = [main_table(summary), coverage(summary)]
    parts += [f"## {table.title}\n\n{paper_table(table, summary)}" for table in paper_tables(summary)]
    return "\n\n".join(part for part in parts if part) + "\n"


def paper_tables(summary: Summary) -> list[PublishedTable]:
    """The papers' tables of which at least one column was measured."""
    return [t for t in (UNISON_1, HARMONY_2) if any(_measured(name, summary) for _, name, _ in t.columns)]


def main_table(summary: Summary) -> str:
    """All figures as Markdown."""
    return grid(main_rows(summary))


def main_rows(summary: Summary) -> list[list[str]]:
    """A row a figure: mean, interval, median, clips, and the mean by subset; the first is the head."""
    kinds = sorted({kind for found in summary.figures.values() for kind in found.by_kind})
    rows = [["figure", "what", "mean", "95%", "median", "clips", *kinds]]
    for name, found in summary.figures.items():
        if found.overall is None and not found.unexpected:
            continue
        figure, value = found.figure, found.overall
        rows.append(
            [
                f"{name} {ARROWS[figure.better]}".strip(), figure.about,
                _number(value.mean if value else None, figure), interval(value, figure),
                _number(value.median if value else None, figure),
                f"{value.count if value else 0} of {len(summary.items)}",
                *(_number(found.by_kind[kind].mean, figure) if kind in found.by_kind else NONE for kind in kinds),
            ]
        )  # fmt: skip
    known = figures_of(list(metrics().values()))
    for name, score in summary.set_figures.items():
        figure = known[name]
        bounds = Estimate(mean=0, median=0, low=score.low, high=score.high, count=score.count)
        rows.append([f"{name} {ARROWS[figure.better]}", figure.about, _number(score.value, figure),
                     interval(bounds, figure), NONE, f"{score.count} of {len(summary.items)}",
                     *[NONE] * len(kinds)])  # fmt: skip
    return rows


def coverage(summary: Summary) -> str:
    """Why clips are missing, a line a figure; empty where none are."""
    lines = []
    for name, found in summary.figures.items():
        if found.skipped:
            reasons = {f"{reason}: {count}": reason in found.faults for reason, count in found.skipped.items()}
            why = "; ".join(f"**{text}**" if fault else text for text, fault in reasons.items())
            lines.append(f"- `{name}`: {why}")
    return "Not scored (bold: something is wrong there):\n\n" + "\n".join(lines) if lines else ""


def paper_table(table: PublishedTable, summary: Summary | None) -> str:
    """The rows of the paper, quoted, and ours from the summary, as Markdown."""
    return grid(paper_rows(table, summary)) + f"\n\n{table.note}"


def paper_rows(table: PublishedTable, summary: Summary | None) -> list[list[str]]:
    """Head, published rows, and ours."""
    rows = [["method", *(f"{title} {ARROWS[better]}".strip() for title, _, better in table.columns)]]
    rows += [[name, *(values.get(title, NONE) for title, _, _ in table.columns)] for name, values in table.rows.items()]
    if summary is not None:
        ours = [_measured(name, summary, table.scale.get(title, 1.0), table.mean_of_kinds)
                for title, name, _ in table.columns]  # fmt: skip
        rows.append(["**ours**", *(value or NONE for value in ours)])
    return rows


def _measured(name: str | None, summary: Summary, scale: float = 1.0, mean_of_kinds: bool = False) -> str | None:
    found = summary.figures.get(name or "")
    if found is None or found.overall is None:
        return None
    if mean_of_kinds and found.by_kind:
        value = sum(kind.mean for kind in found.by_kind.values()) / len(found.by_kind)
    else:
        value = found.overall.mean
    return f"{value * scale:.2f}"


def interval(value: Estimate | None, figure: Figure) -> str:
    """`low to high`, or a dash."""
    if value is None or value.low is None or value.high is None:
        return NONE
    return f"{_number(value.low, figure)} to {_number(value.high, figure)}"


def _number(value: float | None, figure: Figure) -> str:
    return NONE if value is None else f"{value:.{figure.digits}f}"


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table; the first is the head."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = [cells[0], ["---"] * len(cells[0]), *cells[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _runs(metric: Metric) -> str:
    if not metric.built:
        return "not built"
    return "default" if metric.default else "weights" if metric.learned else "on request"


def listing() -> list[Mapping[str, str]]:
    """What `--list` prints, a row a metric."""
    return [
        {
            "name": m.name,
            "figures": ", ".join(f"{f.name} {ARROWS[f.better]}".strip() for f in (*m.figures, *m.set_figures)),
            "needs": ", ".join(m.needs) or NONE,
            "runs": _runs(m),
            "weights": ", ".join(w.id for w in m.weights) or m.weights_note or NONE,
            "licence": ", ".join(dict.fromkeys(w.licence for w in m.weights)) or m.licence or NONE,
            "about": m.about,
            "source": m.source,
        }
        for m in metrics().values()
    ]


def listing_text(rows: Sequence[Mapping[str, str]]) -> str:
    """The list of metrics for people."""
    blocks = []
    for row in rows:
        details = {key: row[key] for key in ("figures", "needs", "weights", "licence", "source") if row[key] != NONE}
        lines = [f"{row['name']}  [{row['runs']}]  {row['about']}"]
        blocks.append("\n".join(lines + [f"    {key + ':':<9} {value}" for key, value in details.items() if value]))
    return "\n".join(blocks)
