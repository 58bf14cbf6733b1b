"""The results as one HTML file that needs nothing else: tables, distributions, gates, and clips to play.

Clips are those that are best and worst over all figures (mean rank), and the worst under each figure.
"""

import base64
import io
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from unison_core.errors import UnisonError
from unison_core.evaluation.charts import histogram
from unison_core.evaluation.gate_plots import gate_charts
from unison_core.evaluation.item import SFX, SOUND, SPEECH, VIDEO, Item
from unison_core.evaluation.media import Media
from unison_core.evaluation.registry import NEITHER, Unscored
from unison_core.evaluation.summary import FigureSummary, Summary
from unison_core.evaluation.tables import ARROWS, NONE, main_rows, paper_rows, paper_tables
from unison_core.media.ffmpeg import run

SHOWN = 3
"""Best and worst clips over all figures."""
MOST_CLIPS = 14
SMALL_FILE = 1_500_000
"""Larger videos are shown smaller, so that the page stays a file that one can send."""
PICTURE_WIDTH = 860
STYLE = """
:root{color-scheme:light dark}body{font:14px/1.45 system-ui,sans-serif;max-width:1200px;margin:24px auto;padding:0 16px}
table{border-collapse:collapse;margin:8px 0 20px;display:block;overflow-x:auto}
td,th{padding:3px 9px;border-bottom:1px solid #8884;text-align:left;white-space:nowrap}
td:nth-child(n+3){text-align:right}
.grid{display:flex;flex-wrap:wrap;gap:18px}.grid figure{margin:0;width:300px}figcaption{font-size:12px;opacity:.85}
.clip{border-top:1px solid #8884;padding:12px 0;display:flex;gap:16px;flex-wrap:wrap}
.clip video{width:256px;height:auto;align-self:flex-start}
.clip img{max-width:860px;width:100%}.words{max-width:860px}.fault{color:#c1121f}code{font-size:12px}
"""


def write_page(path: Path, summary: Summary, title: str) -> None:
    """Write the page under another name first, so that none is ever half there."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(page(summary, title), encoding="utf-8")
    part.replace(path)


def page(summary: Summary, title: str) -> str:
    """The page as HTML text."""
    items = {item.id: item for item in summary.items}
    chosen = choose_clips(summary)
    papers = "".join(f"<h2>{escape(t.title)}</h2>{_table(paper_rows(t, summary))}<p>{escape(t.note)}</p>"
                     for t in paper_tables(summary))  # fmt: skip
    gates = gate_charts(summary.items)
    shown = "".join(_clip(items[name], why, summary) for name, why in chosen.items())
    sections = {
        "Figures": _table(main_rows(summary)) + _coverage(summary) + papers,
        "Distributions": f'<div class="grid">{_distributions(summary)}</div>',
        "Gates (Unison, Fig. 8)": _figures(gates) if gates else "",
        "Clips": shown,
    }
    body = "".join(f"<h2>{escape(name)}</h2>{content}" for name, content in sections.items() if content)
    about = " · ".join(f"{key} {value}" for key, value in summary.about.items() if isinstance(value, (str, int)))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{escape(title)}</h1><p>{len(items)} clips. {escape(about)}</p>{body}</html>\n"
    )


def choose_clips(summary: Summary) -> dict[str, list[str]]:
    """Clips to play by id, each with the reasons why it is there."""
    ranked = [f for f in summary.figures.values() if f.figure.better != NEITHER and len(set(f.values.values())) > 1]
    ranks: dict[str, list[float]] = {}
    for found in ranked:
        order = sorted(found.values, key=lambda name: found.figure.key(found.values[name]))
        for place, name in enumerate(order):
            ranks.setdefault(name, []).append(place / (len(order) - 1))
    overall = sorted(ranks, key=lambda name: (float(np.mean(ranks[name])), name)) or [item.id for item in summary.items]
    chosen: dict[str, list[str]] = {}
    for place, name in enumerate(overall[:SHOWN], 1):
        chosen.setdefault(name, []).append(f"{_nth(place)}best over all figures")
    for place, name in enumerate(reversed(overall[SHOWN:][-SHOWN:]), 1):
        chosen.setdefault(name, []).append(f"{_nth(place)}worst over all figures")
    for found in ranked:
        worst = _worst(found)
        if worst in chosen or len(chosen) < MOST_CLIPS:
            chosen.setdefault(worst, []).append(f"worst {found.figure.name}")
    return chosen


def _worst(found: FigureSummary) -> str:
    return max(found.values, key=lambda name: (found.figure.key(found.values[name]), name))


def _nth(place: int) -> str:
    return {1: "", 2: "second ", 3: "third "}.get(place, f"{place}th ")


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell.strip('*'))}</td>" for cell in row) + "</tr>" for row in body)
    return f"<table><tr>{cells}</tr>{lines}</table>"


def _coverage(summary: Summary) -> str:
    lines = []
    for name, found in summary.figures.items():
        if found.skipped:
            why = "; ".join(f"{reason}: {count}" for reason, count in found.skipped.items())
            lines.append(f"<li{' class=fault' if found.unexpected else ''}><code>{name}</code> {escape(why)}</li>")
    return f"<details><summary>Not scored</summary><ul>{''.join(lines)}</ul></details>" if lines else ""


def _distributions(summary: Summary) -> str:
    parts = []
    for name, found in summary.figures.items():
        if found.overall is not None and len(found.values) > 1:
            chart = histogram(list(found.values.values()), found.overall.mean, found.overall.low, found.overall.high)
            caption = f"{name} {ARROWS[found.figure.better]} {found.figure.about}"
            parts.append(f"<figure>{chart}<figcaption>{escape(caption)}</figcaption></figure>")
    return "".join(parts)


def _figures(charts: dict[str, str]) -> str:
    parts = (f"<figure>{svg}<figcaption>{escape(title)}</figcaption></figure>" for title, svg in charts.items())
    return f'<div class="grid">{"".join(parts)}</div>'


def _clip(item: Item, why: Sequence[str], summary: Summary) -> str:
    values = " · ".join(
        f"{name} {found.values[item.id]:.{found.figure.digits}f}"
        for name, found in summary.figures.items()
        if item.id in found.values
    )
    notes = summary.notes.get(item.id, {})
    words = [f"<b>{escape(item.id)}</b> ({escape('; '.join(why))})"]
    words += [escape(item.caption)] if item.caption else []
    words += [f"“{escape(item.transcript)}”"] if item.transcript else []
    words += [f"heard: “{escape(notes['heard'])}”"] if "heard" in notes else []
    words.append(f"<code>{escape(values)}</code>")
    return f'<div class="clip">{_video(item)}<div class="words">{"<br>".join(words)}<br>{_picture(item)}</div></div>'


def _video(item: Item) -> str:
    """The clip as a data URI; made smaller where it is large, a note where it cannot be read."""
    try:
        data = item.path(VIDEO).read_bytes()
        if len(data) > SMALL_FILE or item.path(VIDEO).suffix.lower() != ".mp4":
            data = _smaller(item.path(VIDEO))
    except (OSError, KeyError, UnisonError):
        return '<p class="fault">no video that can be shown</p>'
    return f'<video controls preload="none" src="data:video/mp4;base64,{base64.b64encode(data).decode()}"></video>'


def _smaller(path: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.mp4"
        run(["-i", str(path), "-vf", "scale='min(480,iw)':-2", "-c:v", "libx264", "-crf", "28", "-pix_fmt", "yuv420p",
             "-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart", str(small)])  # fmt: skip
        return small.read_bytes()


def _picture(item: Item) -> str:
    """Frames over spectrograms, as WebP."""
    from PIL import Image

    from unison_core.media.onsets import onsets_s
    from unison_core.media.preview import preview

    media = Media(item)
    try:
        rate_hz = media.wave(SOUND).rate_hz
        kinds = [kind for kind in (SPEECH, SFX, SOUND) if kind == SOUND or kind in item.files]
        rows = {"whole" if kind == SOUND else kind: media.wave(kind).at(rate_hz) for kind in kinds}
        sheet = preview(media.small, media.fps, rows, rate_hz, onsets_s(media.effects.at(rate_hz), rate_hz), "")
    except (Unscored, UnisonError, OSError, KeyError):
        return NONE
    height = round(sheet.height * PICTURE_WIDTH / sheet.width)
    file = io.BytesIO()
    sheet.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS).save(file, "WEBP", quality=72)
    return f'<img alt="spectrograms" src="data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}">'
