"""Tables, comparison and page say what the scores say, and nothing that was not measured."""

import json
import re

import numpy as np
import pytest
from clips import write_clip

from unison_core.errors import UsageError
from unison_core.evaluation.charts import histogram
from unison_core.evaluation.compare import compare, table
from unison_core.evaluation.gate_plots import gate_charts, read_gates
from unison_core.evaluation.item import Item
from unison_core.evaluation.page import choose_clips, page
from unison_core.evaluation.published import HARMONY_2, UNISON_1
from unison_core.evaluation.registry import DOWN, UP, Figure, Metric, SetScore, metrics
from unison_core.evaluation.score_log import ScoreLine, ScoreLog, score_key
from unison_core.evaluation.summary import summarise
from unison_core.evaluation.tables import markdown, paper_rows

GOOD = Metric(
    name="good", about="g", source="s",
    figures=(Figure(name="good", about="goodness", better=UP), Figure(name="bad", about="badness", better=DOWN)),
)  # fmt: skip


def scores(folder, items, metric, values):
    """A log with these values, by figure and item; None is skipped for a fault."""
    log = ScoreLog(folder)
    for i, item in enumerate(items):
        found = {name: column[i] for name, column in values.items()}
        bad = any(value is None for value in found.values())
        log.add(
            ScoreLine(item=item.id, metric=metric.name, key=score_key(item, metric), values={} if bad else found,
                      skipped="no face" if bad else None)
        )  # fmt: skip
    return log


@pytest.fixture
def items(tmp_path):
    return [Item(id=f"i{i}", kind="ambient" if i % 2 else "speech", caption=f"caption {i}") for i in range(6)]


def test_coverage_and_reasons_stand_in_summary_and_table(tmp_path, items):
    log = scores(tmp_path, items, GOOD, {"good": [1, 2, 3, 4, 5, None], "bad": [0, 0, 0, 1, 1, None]})
    summary = summarise(items, [GOOD], log)
    data = summary.to_mapping()["figures"]["good"]
    assert (data["mean"], data["n_scored"], data["n_skipped"], data["skipped"]) == (3.0, 5, 1, {"no face": 1})
    assert data["by_kind"]["speech"]["mean"] == 3.0
    text = markdown(summary)
    assert "5 of 6" in text
    assert "**no face: 1**" in text
    assert "| 3.00 |" in text
    json.dumps(summary.to_mapping(), allow_nan=False)


def test_what_was_never_scored_has_no_number(tmp_path, items):
    log = scores(tmp_path, items, GOOD, {"good": [None] * 6, "bad": [None] * 6})
    found = summarise(items, [GOOD], log).to_mapping()["figures"]["good"]
    assert (found["mean"], found["low"], found["n_scored"]) == (None, None, 0)


def test_published_rows_are_quoted_and_ours_is_filled_only_with_what_was_measured(tmp_path, items):
    audiobox = metrics()["audiobox"]
    log = scores(tmp_path, items, audiobox, {"pq": [6.0] * 6, "pc": [2.0] * 6, "ce": [4.0] * 6, "cu": [5.0] * 6})
    summary = summarise(items, [audiobox], log)
    rows = paper_rows(HARMONY_2, summary)
    head, ours = rows[0], rows[-1]
    assert [cell.split()[0] for cell in head[1:]] == [title for title, _, _ in HARMONY_2.columns]
    assert dict(zip(head, ours, strict=True))["PQ ↑"] == "6.00"
    assert sum(cell != "-" for cell in ours[1:]) == 4
    harmony = next(row for row in rows if row[0] == "Harmony")
    assert dict(zip(head, harmony, strict=True))["Sync-C ↑"] == "5.61"
    unison = paper_rows(UNISON_1, None)
    assert dict(zip(unison[0], unison[1], strict=True))["DS ↓"] == "0.08"
    assert "Harmony, Table 2" in markdown(summary)
    assert "Harmony, Table 2" not in markdown(summarise(items, [GOOD], ScoreLog(tmp_path / "other")))


def test_a_column_over_ten_and_a_mean_of_subsets(tmp_path):
    items = [Item(id=f"i{i}", kind="ambient" if i else "speech") for i in range(3)]
    aesthetic = metrics()["aesthetic"]
    log = scores(tmp_path, items, aesthetic, {"aesthetic": [6.0, 4.0, 4.0]})
    summary = summarise(items, [aesthetic], log)
    harmony, unison = (paper_rows(t, summary)[-1] for t in (HARMONY_2, UNISON_1))
    assert harmony[1] == "0.50"  # (6 + 4) / 2 over ten
    assert unison[1] == "4.67"


def test_comparison_pairs_clips_and_judges_by_the_interval(tmp_path, items):
    rng = np.random.default_rng(0)
    base = rng.normal(0, 5, size=6)
    a = {"good": base.tolist(), "bad": [1.0] * 6}
    b = {"good": (base + 1 + rng.normal(0, 0.1, 6)).tolist(), "bad": [1.0, 1, 1, 1, 1, 2]}
    real = metrics()["loudness"]
    metric = Metric(name=real.name, about="", source="s", figures=real.figures)
    for name, values in (("a", a), ("b", b)):
        scores(tmp_path / name, items, metric, {"silent": values["bad"], "lufs": values["good"]})
    found = {x.figure.name: x for x in compare(tmp_path / "a", tmp_path / "b")}
    assert found["lufs"].estimate.mean == pytest.approx(1, abs=0.1)
    assert found["silent"].verdict == "undecided"
    assert "B - A" in table(list(found.values()), "a", "b")
    with pytest.raises(UsageError, match=r"holds no scores\.jsonl"):
        compare(tmp_path / "a", tmp_path)


def test_the_page_needs_nothing_else_and_shows_best_and_worst(tmp_path, items):
    played = []
    for i, item in enumerate(items):
        files = {"video": write_clip(tmp_path, item.id, seed=i, seconds=0.6)}
        played.append(Item(id=item.id, kind=item.kind, caption="<b>bold</b>", files=files))
    log = scores(tmp_path, played, GOOD, {"good": [1, 2, 3, 4, 5, None], "bad": [5, 4, 3, 2, 1, None]})
    summary = summarise(played, [GOOD], log, {"av_beats_shuffled": SetScore(value=0.5, count=4)})
    text = page(summary, "title")
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert text.count("data:video/mp4;base64,") == len(choose_clips(summary))
    assert text.count("data:image/webp;base64,") == len(choose_clips(summary))
    assert "<svg" in text
    assert "&lt;b&gt;bold" in text
    why = choose_clips(summary)
    assert any("best" in reason for reason in why["i4"])
    assert any("worst" in reason for reason in why["i0"])
    assert "i5" not in why


def test_gates_are_drawn_by_layer_noise_and_subset(tmp_path):
    items = []
    for i in range(3):
        path = tmp_path / f"{i}.json"
        gates = {s: [[0.5 + 0.1 * i, 0.2], [0.6, 0.9]] for s in ("speech", "sfx")}
        path.write_text(json.dumps({"sigma": {s: [1.0, 0.5] for s in ("video", "speech", "sfx")}, "gates": gates}))
        items.append(Item(id=str(i), kind="speech", gates=path))
    charts = gate_charts(items)
    assert [title.split(" (")[0] for title in charts] == [
        "Gates by layer", "Gates by noise level", "Gates by what was asked for",
    ]  # fmt: skip
    assert all("into speech" in svg for svg in charts.values())
    (tmp_path / "0.json").write_text("{}")
    assert read_gates(tmp_path / "0.json") is None
    assert gate_charts([Item(id="x")]) == {}


def test_a_histogram_of_equal_values_is_drawn():
    assert histogram([1.0, 1.0], 1.0, 1.0, 1.0).count("<rect") >= 1
