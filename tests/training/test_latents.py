"""Latents from pool and stream: equal batches, any place that fsspec reaches, and one line for what does not fit."""

import json
from dataclasses import replace

import fsspec
import numpy as np
import pytest
import torch

from unison_core.config import Preset, from_mapping
from unison_core.errors import UsageError
from unison_core.preparation.records import PartRecord, ShardRecord, check_settings, write_index, write_record
from unison_core.training.latents import open_latents
from unison_core.training.reference_pairs import ReferencePairs
from unison_core.training.shard_format import CAPTION_AUDIO, CAPTION_VIDEO, Sample, ShardInfo, write_shard
from unison_core.types import SFX, SPEECH, STREAMS, VIDEO

CPU = torch.device("cpu")


def clip(i, frames=41, *, preset, **changes):
    timing = preset.timing
    n, t, c = timing.audio_latents(frames), timing.video_latents(frames), preset.codecs.audio.latent_channels
    latents = {
        VIDEO: np.full((preset.codecs.video.z_dim, t, 4, 4), i),
        SPEECH: np.full((n, c), i),
        SFX: np.zeros((n, c)),
    }
    meta = {"caption": "a", "transcript": "b", "frames": frames, "caption_ids": [i], "phoneme_ids": [3],
            "phoneme_weights": [0.1], "span_s": [0.2, 1.2], "voice": "ab"[i % 2]}  # fmt: skip
    return Sample(key=f"{i:04d}", latents={**latents, **changes}, meta=meta)


def fill(folder, samples, info=None, unsaid=None, per_shard=4):
    """Shards with index and card, as prepare leaves them."""
    info = info or ShardInfo(codec="c", preset="tiny")
    check_settings(folder, info, {"fps": 25})
    for start in range(0, len(samples), per_shard):
        part = f"part-{start:04d}"
        rows = samples[start : start + per_shard]
        entries = write_shard(folder / f"{part}.tar", rows, info, unsaid)
        record = PartRecord(digest="", shards=[ShardRecord.of(folder / f"{part}.tar", rows, entries)])
        write_record(folder, part, record)
    return write_index(folder)


@pytest.fixture
def folder(tmp_path, tiny_preset):
    fill(tmp_path, [clip(i, 41 if i % 3 else 53, preset=tiny_preset) for i in range(1, 21)])
    return tmp_path


def draw(source, seed=0, count=5):
    return source.sample(count, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("pairs", [None, ReferencePairs(probability=0.7)])
def test_stream_and_pool_draw_the_same(folder, tiny_preset, pairs):
    pool, stream = (open_latents(folder, CPU, streams=STREAMS, preset=tiny_preset, source=source, pairs=pairs)
                    for source in ("pool", "stream"))  # fmt: skip
    assert len(pool) == len(stream) == 20
    references = 0
    for seed in range(12):
        a, b = draw(pool, seed), draw(stream, seed)
        assert a.frames == b.frames
        assert all(torch.equal(a.latents[s], b.latents[s]) for s in STREAMS)
        assert torch.equal(a.text.caption_ids, b.text.caption_ids)
        assert (a.latents[SPEECH][:, 0, 0] == a.text.caption_ids[:, 0]).all()
        assert (a.reference is None) == (b.reference is None)
        if a.reference is not None:
            references += 1
            assert torch.equal(a.reference, b.reference)
            assert (a.reference[:, 0, 0] % 2 == a.text.caption_ids[:, 0] % 2).all()
    assert (references > 0) == (pairs is not None)


def test_shards_are_read_from_wherever_fsspec_reaches(folder, tiny_preset):
    remote = fsspec.filesystem("memory")
    remote.put(f"{folder}/", "/bucket/latents/", recursive=True)
    url = "memory://bucket/latents"
    try:
        for source in ("pool", "stream"):
            here, there = (open_latents(place, CPU, streams=STREAMS, preset=tiny_preset, source=source)
                           for place in (folder, url))  # fmt: skip
            assert torch.equal(draw(here).latents[VIDEO], draw(there).latents[VIDEO])
    finally:
        remote.rm("/bucket", recursive=True)


def test_stage_1_leaves_the_pictures(folder, tiny_preset):
    batch = draw(open_latents(folder, CPU, streams=(SPEECH, SFX), preset=tiny_preset, source="stream"))
    assert set(batch.latents) == {SPEECH, SFX}


@pytest.mark.parametrize("source", ["pool", "stream"])
def test_captions_of_frozen_encoders_come_with_those_of_nothing(tmp_path, tiny_preset, source):
    from tests.conftest import tiny_mapping

    data = tiny_mapping()
    data["model"]["caption"] = {"kind": "external", "length": 6}
    preset = from_mapping(Preset, data, "tiny")
    features = {i: {CAPTION_VIDEO: np.full((i, 8), i), CAPTION_AUDIO: np.full((3, 4), i)} for i in (1, 2, 3)}
    samples = [replace(clip(i, preset=preset), features=features[i]) for i in features]
    unsaid = {CAPTION_VIDEO: np.ones((1, 8)), CAPTION_AUDIO: np.full((3, 4), 9)}
    fill(tmp_path, samples, unsaid=unsaid)
    batch = draw(open_latents(tmp_path, CPU, streams=STREAMS, preset=preset, source=source))
    who = batch.latents[SPEECH][:, 0, 0]
    assert batch.text.captions.video.shape == (5, 6, 8)
    assert torch.equal((batch.text.captions.video[..., 0] > 0).sum(1), who)
    assert torch.equal(batch.text.captions.audio_mean[:, 0], who)
    assert batch.unsaid.video.sum() == 8
    assert batch.unsaid.audio_mean[0, 0] == 9
    fill(tmp_path / "plain", [clip(1, preset=preset)])
    with pytest.raises(UsageError, match="no caption features"):
        open_latents(tmp_path / "plain", CPU, streams=STREAMS, preset=preset, source=source)


def refused(folder, preset, source, streams=STREAMS, **options):
    with pytest.raises(UsageError) as found:
        open_latents(folder, CPU, streams=streams, preset=preset, source=source, **options)
    assert "\n" not in str(found.value)
    return str(found.value)


@pytest.mark.parametrize("source", ["pool", "stream"])
def test_what_does_not_fit_is_one_line_before_the_first_step(tmp_path, tiny_preset, source):
    good = [clip(i, preset=tiny_preset) for i in range(8)]
    assert "not a folder" in refused(tmp_path / "none", tiny_preset, source)
    (tmp_path / "empty").mkdir()
    assert "empty" in refused(tmp_path / "empty", tiny_preset, source)

    fill(tmp_path / "lost", good)
    (tmp_path / "lost/part-0004.tar").unlink()
    assert "lacks 1 of 2 shards of its index, such as part-0004.tar" in refused(tmp_path / "lost", tiny_preset, source)

    fill(tmp_path / "cut", good)
    whole = (tmp_path / "cut/part-0000.tar").read_bytes()
    (tmp_path / "cut/part-0000.tar").write_bytes(whole[:5000])
    assert "has 5000 bytes, its index says" in refused(tmp_path / "cut", tiny_preset, source)

    fill(tmp_path / "shape", [clip(1, preset=tiny_preset, **{SFX: np.zeros((52, 20))})])
    assert "sfx latents of 41 frames have shape (52, 20), preset tiny takes (52, 32)" in refused(
        tmp_path / "shape", tiny_preset, source
    )
    fill(tmp_path / "mix", good)
    assert "has no mix latents" in refused(tmp_path / "mix", tiny_preset, source, ("mix",))

    fill(tmp_path / "codec", good)
    write_shard(tmp_path / "codec/part-9.tar", [clip(9, preset=tiny_preset)], ShardInfo(codec="d", preset="tiny"))
    assert "made by different codecs (c and d)" in refused(tmp_path / "codec", tiny_preset, source)

    fill(tmp_path / "few", good)
    assert "holds 8" in refused(tmp_path / "few", tiny_preset, source, wait_for=9)


@pytest.mark.parametrize("source", ["pool", "stream"])
def test_pictures_of_two_sizes_are_named(tmp_path, tiny_preset, source):
    wide = np.zeros((tiny_preset.codecs.video.z_dim, tiny_preset.timing.video_latents(41), 4, 6))
    fill(tmp_path, [clip(1, preset=tiny_preset), clip(2, preset=tiny_preset, **{VIDEO: wide})])
    if source == "pool":
        assert "prepare one --size" in refused(tmp_path, tiny_preset, source)
    else:
        latents = open_latents(tmp_path, CPU, streams=STREAMS, preset=tiny_preset, source=source)
        with pytest.raises(UsageError, match="prepare one --size"):
            draw(latents, count=30)


def test_a_stream_wants_an_index(folder, tiny_preset):
    (folder / "index.npz").unlink()
    assert "has no index" in refused(folder, tiny_preset, "stream")
    (folder / "index.npz").write_bytes(b"nonsense")
    assert "index.npz is damaged" in refused(folder, tiny_preset, "stream")


def test_the_card_says_what_is_there(folder):
    card = json.loads((folder / "card.json").read_text())
    assert (card["clips"], card["shards"], card["frames"]) == (20, 5, {"41": 14, "53": 6})


def test_unknown_places_name_what_is_missing(tiny_preset):
    assert "nosuch" in refused("nosuch://a/b", tiny_preset, "pool")
