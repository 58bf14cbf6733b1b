"""Features are extracted once, runs go on where they stopped, and a fault stays with the clip that has it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from unison_core.errors import PartialFailure, UnisonError
from unison_core.evaluation.engine import Settings, evaluate, set_scores
from unison_core.evaluation.feature import Feature, FeatureCache, Model, Ready, Weights
from unison_core.evaluation.item import SOUND, Item
from unison_core.evaluation.registry import UP, Figure, Metric, Score, SetScore, Unscored
from unison_core.evaluation.run import raise_faults
from unison_core.evaluation.score_log import SCORES, ScoreLog
from unison_core.evaluation.summary import summarise
from unison_core.evaluation.weights import WeightStore

READ: list[str] = []
LIFE: list[str] = []


def read(media):
    READ.append(media.item.id)
    text = media.item.path(SOUND).read_text()
    if text == "bad":
        raise Unscored("it is bad")
    return {"value": np.array(float(text))}


VALUE = Feature(name="value", reads=(SOUND,), prepare=read)
PLAIN = Metric(
    name="plain", about="a", source="s", figures=(Figure(name="value", about="v", better=UP),), needs=(SOUND,),
    features=(VALUE,), score=lambda item, features: Score(values={"value": float(features["value"]["value"])}),
)  # fmt: skip


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    READ.clear()
    LIFE.clear()
    found = []
    for name in "abc":
        path = tmp_path / f"{name}.txt"
        path.write_text(str(ord(name)))
        found.append(Item(id=name, files={SOUND: path}, transcript="x"))
    return found


def settings(tmp_path: Path, **more) -> Settings:
    return Settings(out=tmp_path / "out", jobs=0, **more)


def test_a_second_run_reads_nothing_and_another_metric_reuses_features(tmp_path, items):
    evaluate(items, [PLAIN], settings(tmp_path))
    assert READ == ["a", "b", "c"]
    log = evaluate(items, [PLAIN, replace(PLAIN, name="other", figures=())], settings(tmp_path))
    assert READ == ["a", "b", "c"]
    assert log.find(items[1], PLAIN).values == {"value": 98.0}


def test_changed_content_is_scored_again_and_nothing_else_is(tmp_path, items):
    evaluate(items, [PLAIN], settings(tmp_path))
    items[1].path(SOUND).write_text("7")
    fresh = [Item(id=i.id, files=i.files, transcript="x") for i in items]
    log = evaluate(fresh, [PLAIN], settings(tmp_path))
    assert READ == ["a", "b", "c", "b"]
    assert log.find(fresh[1], PLAIN).values == {"value": 7.0}


def test_a_torn_last_line_is_scored_again(tmp_path, items):
    evaluate(items, [PLAIN], settings(tmp_path))
    path = tmp_path / "out" / SCORES
    path.write_bytes(path.read_bytes()[:-20])
    log = evaluate(items, [PLAIN], settings(tmp_path))
    assert [log.find(item, PLAIN).values["value"] for item in items] == [97.0, 98.0, 99.0]
    assert len([line for line in path.read_text().splitlines() if _whole(line)]) == 3
    assert len(ScoreLog(tmp_path / "out")._lines) == 3


def test_a_torn_feature_is_extracted_again(tmp_path, items):
    cache = FeatureCache(tmp_path / "cache")
    cache.put("x-1234", {"a": np.arange(3)})
    file = next((tmp_path / "cache").rglob("*.npz"))
    file.write_bytes(file.read_bytes()[:50])
    assert cache.get("x-1234") is None


def test_a_fault_is_null_with_its_reason_and_leaves_the_others_alone(tmp_path, items):
    items[1].path(SOUND).write_text("bad")
    log = evaluate(items, [PLAIN], settings(tmp_path))
    summary = summarise(items, [PLAIN], log)
    found = summary.figures["value"]
    assert found.overall.count == 2
    assert found.overall.mean == 98.0
    assert (found.skipped, found.unexpected) == ({"it is bad": 1}, 1)
    line = next(json.loads(x) for x in (tmp_path / "out" / SCORES).read_text().splitlines() if '"b"' in x)
    assert line["values"] is None
    with pytest.raises(PartialFailure, match=r"1 scores are missing.*it is bad"):
        raise_faults(summary)


def test_a_file_that_is_gone_is_told_of(tmp_path, items):
    items[2].path(SOUND).unlink()
    log = evaluate(items, [PLAIN], settings(tmp_path))
    assert log.find(items[2], PLAIN).skipped == "there is no file c.txt"


def test_a_crash_in_a_metric_is_a_reason_not_the_end(tmp_path, items):
    broken = replace(PLAIN, name="broken", score=lambda item, features: 1 / 0)
    endless = replace(PLAIN, name="endless", score=lambda item, features: Score(values={"value": np.nan}))
    log = evaluate(items, [broken, endless], settings(tmp_path))
    assert "division by zero" in log.find(items[0], broken).skipped
    assert log.find(items[0], endless).skipped == "value is no number"


def test_what_a_clip_lacks_is_a_fault_only_where_it_was_asked_for_by_name(tmp_path, items):
    words = replace(PLAIN, needs=("transcript",))
    unknown, nobody = replace(items[0], transcript=None), replace(items[1], transcript="")
    for explicit in (False, True):
        log = evaluate([unknown, nobody], [words], settings(tmp_path / str(explicit), explicit=explicit))
        assert log.find(unknown, words).expected is not explicit
        assert log.find(nobody, words).expected
    with pytest.raises(UnisonError, match="nothing could be scored: no transcript"):
        raise_faults(summarise([unknown], [words], log))


def test_processes_share_the_work_and_each_clip_is_scored_once(tmp_path, items):
    for rank in range(2):
        evaluate(items, [PLAIN], settings(tmp_path, rank=rank, world=2))
    assert sorted(READ) == ["a", "b", "c"]
    assert summarise(items, [PLAIN], ScoreLog(tmp_path / "out")).figures["value"].overall.count == 3


def _learned(name: str) -> Metric:
    def load(paths, device):
        LIFE.append(f"load {name}")
        return name

    model = Model(name=name, weights=(Weights(id=name, licence="none"),), load=load)
    feature = Feature(
        name=f"f{name}", reads=(SOUND,), prepare=read, model=model,
        infer=lambda network, x: LIFE.append(network) or {"value": x["value"] * 2},
    )  # fmt: skip
    return replace(
        PLAIN, name=name, figures=(Figure(name=f"v{name}", about="v"),), features=(feature,),
        score=lambda item, features: Score(values={f"v{name}": float(features[f"f{name}"]["value"])}),
    )  # fmt: skip


def test_one_model_at_a_time_over_all_clips_and_none_when_features_are_kept(tmp_path, items):
    for name in ("m1", "m2"):
        (tmp_path / "weights" / name).mkdir(parents=True)
    store = WeightStore(folder=tmp_path / "weights", offline=True)
    chosen = [_learned("m1"), _learned("m2")]
    log = evaluate(items, chosen, settings(tmp_path, store=store))
    assert LIFE == ["load m1", "m1", "m1", "m1", "load m2", "m2", "m2", "m2"]
    assert log.find(items[0], chosen[1]).values == {"vm2": 194.0}
    (tmp_path / "out" / SCORES).unlink()
    evaluate(items, chosen, settings(tmp_path, store=store))
    assert len(LIFE) == 8


def test_a_feature_after_another_sees_it_and_shares_its_fate(tmp_path, items):
    for name in ("m1", "m2"):
        (tmp_path / "weights" / name).mkdir(parents=True)
    items[1].path(SOUND).write_text("bad")
    first, second = (_learned(name).features[0] for name in ("m1", "m2"))
    second = replace(second, after=first, reads=(), prepare=lambda media: media.earlier["fm1"])
    metric = replace(_learned("m2"), features=(first, second))
    store = WeightStore(folder=tmp_path / "weights", offline=True)
    other = replace(second, name="alone", after=None, reads=(SOUND,), prepare=read)
    alone = replace(metric, name="alone", features=(other,),
                    score=lambda item, features: Score(values={"vm2": 0.0}))  # fmt: skip
    log = evaluate(items, [alone, metric], settings(tmp_path, store=store))  # m2 is wanted first, m1 must go before
    assert log.find(items[0], metric).values == {"vm2": 4 * 97.0}
    assert log.find(items[1], metric).skipped == "it is bad"
    assert LIFE == ["load m1", "m1", "m1", "load m2", "m2", "m2", "m2", "m2"]


def test_no_model_is_loaded_for_clips_that_need_none(tmp_path, items):
    metric = _learned("m1")
    feature = replace(metric.features[0], prepare=lambda media: Ready(arrays={"value": np.array(5.0)}))
    log = evaluate(items, [replace(metric, features=(feature,))], settings(tmp_path, store=WeightStore(offline=True)))
    assert LIFE == []
    assert log.find(items[0], replace(metric, features=(feature,))).values == {"vm1": 5.0}


def test_missing_weights_are_a_reason(tmp_path, items):
    metric = _learned("absent/model")
    log = evaluate(items, [metric], settings(tmp_path, store=WeightStore(offline=True)))
    assert log.find(items[0], metric).skipped.startswith("weights absent/model are missing")
    assert not log.find(items[0], metric).expected


def test_a_figure_of_the_set_sees_all_clips_that_have_features(tmp_path, items):
    items[1].path(SOUND).write_text("bad")
    metric = replace(
        PLAIN, over_set=lambda items, features: {
            "total": SetScore(value=sum(float(f["value"]["value"]) for f in features), count=len(items))
        },
    )  # fmt: skip
    evaluate(items, [metric], settings(tmp_path))
    assert set_scores(items, metric, settings(tmp_path))["total"] == SetScore(value=196.0, count=2)


def test_the_licence_is_told_before_a_download(monkeypatch):
    import huggingface_hub

    told, order = [], []

    def download(repo, **how):
        order.append("download" if not how.get("local_files_only") else "look")
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    store = WeightStore(tell=lambda text: (told.append(text), order.append("tell")))
    with pytest.raises(UnisonError, match="are missing"):
        store.paths([Weights(id="owner/name@main", licence="CC-BY-NC-4.0", size="1 GB")])
    assert order == ["look", "tell", "download"]
    assert told == ["downloading owner/name@main (1 GB); licence: CC-BY-NC-4.0"]


def test_weights_are_found_under_each_of_their_names(tmp_path):
    entry = Weights(id="owner/name", licence="MIT")
    for name in ("owner/name", "owner--name", "name"):
        folder = tmp_path / name.replace("/", "_")
        (folder / name).mkdir(parents=True)
        assert WeightStore(folder=folder, offline=True).paths([entry])["owner/name"] == folder / name
    assert torch.device("cpu") == Settings(out=tmp_path).device


def _whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
