"""Latent shards: what is written is drawn, lengths are not mixed, new shards are taken in."""

import numpy as np
import pytest
import torch
import webdataset as wds

from unison_core.errors import UsageError
from unison_core.preparation.ready import ReadyClip, made_still
from unison_core.training.shard_format import Sample, ShardInfo, read_shard, write_shard
from unison_core.training.shards import LatentPool
from unison_core.types import SFX, SPEECH, VIDEO


def _sample(i, frames=41, static=False):
    rng = np.random.default_rng(i)
    t, n = (frames - 1) // 4 + 1, frames
    meta = {"frames": frames, "caption_ids": [i, 2], "phoneme_ids": [3] if i % 2 else [], "span_s": None,
            "phoneme_weights": [0.1] if i % 2 else [], "static": static}  # fmt: skip
    latents = {VIDEO: rng.standard_normal((2, t, 2, 2)), SPEECH: rng.standard_normal((n, 3)), SFX: np.full((n, 3), i)}
    return Sample(key=f"{i:04d}", latents=latents, meta=meta)


def _pool(folder, **options):
    return LatentPool(folder, torch.device("cpu"), caption_length=4, phoneme_length=5, **options)


def test_a_shard_reads_back(tmp_path):
    write_shard(tmp_path / "a.tar", [_sample(1), _sample(2, static=True)])
    one, two = read_shard(tmp_path / "a.tar")
    assert np.allclose(one.latents[VIDEO], _sample(1).latents[VIDEO], atol=1e-2)
    assert not one.meta["static"]
    assert two.meta["static"]
    assert [f.name for f in tmp_path.iterdir()] == ["a.tar"]


def test_a_batch_has_one_length_and_keeps_rows_together(tmp_path):
    write_shard(tmp_path / "a.tar", [_sample(i, 41 if i < 4 else 53) for i in range(1, 8)])
    pool, draw = _pool(tmp_path), torch.Generator().manual_seed(0)
    for _ in range(10):
        batch = pool.sample(3, draw)
        assert batch.latents[SPEECH].shape[1] == batch.frames
        rows = batch.latents[SFX][:, 0, 0].long()
        assert torch.equal(batch.text.caption_ids[:, 0], rows)
        assert torch.equal(batch.text.phoneme_mask.any(1), rows % 2 == 1)
        assert ((rows < 4) == (batch.frames == 41)).all()


def test_shards_that_appear_later_are_taken_in(tmp_path):
    write_shard(tmp_path / "a.tar", [_sample(1)])
    pool = _pool(tmp_path)
    write_shard(tmp_path / "b.tar", [_sample(2), _sample(3)])
    pool._scan()
    assert len(pool) == 3


def test_clips_lie_in_the_order_of_the_shards_names_however_many_threads_read(tmp_path):
    for shard in (5, 1, 4, 2, 0, 3, 6):
        write_shard(tmp_path / f"{shard}.tar", [_sample(10 * shard + i) for i in range(4)])
    held = _pool(tmp_path)._buckets[41]
    assert held.fields["caption_ids"][: held.count, 0].tolist() == [10 * s + i for s in range(7) for i in range(4)]


def test_equal_clips_make_equal_bytes(tmp_path):
    write_shard(tmp_path / "a.tar", [_sample(1), _sample(2)])
    write_shard(tmp_path / "b.tar", [_sample(1), _sample(2)])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_webdataset_reads_them(tmp_path):
    write_shard(tmp_path / "a.tar", [_sample(1), _sample(2)])
    rows = list(wds.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False))
    assert [row["__key__"] for row in rows] == ["0001", "0002"]
    assert {"json", "safetensors", "video.safetensors"} <= rows[0].keys()


def test_damaged_and_older_shards_are_named(tmp_path):
    write_shard(tmp_path / "a.tar", [_sample(1)])
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:3000])
    with pytest.raises(UsageError, match=r"a\.tar is damaged"):
        _pool(tmp_path)
    write_shard(tmp_path / "a.tar", [_sample(1)], ShardInfo(format=1))
    with pytest.raises(UsageError, match="another version"):
        _pool(tmp_path)


def test_an_empty_folder_and_missing_streams_are_named(tmp_path):
    with pytest.raises(UsageError, match="0 samples"):
        _pool(tmp_path)
    with pytest.raises(UsageError, match="not a folder"):
        _pool(tmp_path / "none")
    write_shard(tmp_path / "a.tar", [Sample(key="0", latents={SPEECH: np.zeros((2, 3))}, meta=_sample(0).meta)])
    with pytest.raises(UsageError, match="no video latents"):
        _pool(tmp_path)


def test_a_static_pair_neither_moves_nor_sounds():
    frames = np.random.default_rng(0).integers(0, 255, (5, 4, 4, 3), dtype=np.uint8)
    stems = {SPEECH: np.ones(8, np.float32), SFX: np.ones(8, np.float32)}
    clip = ReadyClip(key="a", frames=frames, count=5, stems=stems, caption="", transcript="", span_s=None)
    made = made_still(clip)
    assert (made.frames == frames[0]).all()
    assert not any(wave.any() for wave in made.stems.values())
    assert made.facts["static"]
