"""Every metric says what it needs to say, and a new file is all that a new metric takes."""

import sys
from pathlib import Path

import pytest

from unison_core.errors import UsageError
from unison_core.evaluation import metrics as package
from unison_core.evaluation.registry import metrics, select
from unison_core.evaluation.tables import listing


def test_every_metric_declares_itself_and_figures_are_unique():
    names = [f.name for m in metrics().values() for f in (*m.figures, *m.set_figures)]
    assert len(names) == len(set(names))
    files = {path.stem for path in Path(package.__path__[0]).glob("*.py")} - {"__init__"}
    assert len(metrics()) >= len(files) - 1  # helpers of metrics do not lie there; one file may hold none
    for metric in metrics().values():
        assert metric.about
        assert metric.source
        assert metric.figures or metric.set_figures or not metric.built
        assert (metric.score is not None) or (metric.over_set is not None) or not metric.built


def test_default_metrics_need_no_weights():
    chosen, explicit = select(None)
    assert chosen
    assert not explicit
    assert not any(metric.learned for metric in chosen)


def test_learned_metrics_tell_weights_and_licence():
    learned = [m for m in metrics().values() if m.learned and m.built]
    assert learned
    assert all(w.licence for m in learned for w in m.weights)
    assert all(row["licence"] != "-" for row in listing() if row["weights"] != "-")


def test_what_is_not_built_is_listed_and_never_runs():
    waiting = [m for m in metrics().values() if not m.built]
    assert {"imaging_quality", "dynamic_degree", "motion_smoothness", "imagebind"} <= {m.name for m in waiting}
    assert {row["runs"] for row in listing() if row["name"] in {m.name for m in waiting}} == {"not built"}
    with pytest.raises(UsageError, match="not built"):
        select([waiting[0].name])


def test_a_figure_selects_its_metric_and_an_unknown_name_is_refused():
    chosen, explicit = select(["wer", "loudness"])
    assert [m.name for m in chosen] == ["word_errors", "loudness"]
    assert explicit
    with pytest.raises(UsageError, match="unknown metric 'wre'"):
        select(["wre"])


def test_a_new_file_is_a_new_metric(tmp_path, monkeypatch):
    (tmp_path / "added.py").write_text(
        '"""A new metric."""\n'
        "from unison_core.evaluation.registry import Figure, Metric, Score\n"
        "METRIC = Metric(name='added', about='a', source='s', figures=(Figure(name='one', about='1'),),\n"
        "                score=lambda item, features: Score(values={'one': 1.0}))\n"
    )
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    metrics.cache_clear()
    try:
        assert metrics()["added"].figures[0].name == "one"
    finally:
        metrics.cache_clear()
        sys.modules.pop(f"{package.__name__}.added", None)
