"""Cached scores fit the clip they were made of, survive a kill, and come back as they were."""

from dataclasses import replace

import numpy as np

from unison_core.corpus.sample import stage
from unison_core.evaluation.asked_colours import asked_colours
from unison_core.evaluation.score_cache import ScoreCache, fingerprint
from unison_core.types import Clip


def clip(value: float) -> Clip:
    frames = np.zeros((5, 8, 8, 3), dtype=np.uint8)
    return Clip(frames=frames, fps=25.0, stems={"speech": np.full(99, value), "sfx": np.zeros(99)}, rate_hz=16000)


def test_scores_come_back(tmp_path, scores):
    ScoreCache(tmp_path / "scores.jsonl").add("a", scores(1))
    assert ScoreCache(tmp_path / "scores.jsonl").get("a") == scores(1)
    assert ScoreCache(tmp_path / "scores.jsonl").get("b") is None


def test_a_half_written_line_is_forgotten(tmp_path, scores):
    path = tmp_path / "scores.jsonl"
    cache = ScoreCache(path)
    cache.add("a", scores(1))
    cache.add("b", scores(2))
    path.write_bytes(path.read_bytes()[:-40])
    again = ScoreCache(path)
    assert again.get("a") == scores(1)
    assert again.get("b") is None
    again.add("b", scores(2))
    assert ScoreCache(path).get("b") == scores(2)


def test_fingerprint_follows_clip_and_scene():
    scene = stage(3, "held_out", None)
    same = fingerprint(scene, clip(0.5))
    assert same == fingerprint(scene, clip(0.5))
    assert same != fingerprint(scene, clip(0.6))
    assert same != fingerprint(replace(scene, caption="another"), clip(0.5))


def test_only_colours_that_the_caption_names_are_asked_for():
    scene = stage(3, "held_out", None)
    look = replace(scene.look, clothes="red", background="grey", hair="blond", hair_style="long")
    full = replace(scene, look=look, caption="A woman with long blonde hair in a red coat against a gray wall knocks.")
    assert asked_colours(full) == {"clothes": "red", "background": "grey", "hair": "blond"}
    assert asked_colours(replace(full, caption="A woman in a red coat knocks.")) == {"clothes": "red"}
    bald = replace(full, look=replace(look, hair_style="bald"))
    assert "hair" not in asked_colours(bald)
