"""A clip is on disk whole or not at all."""

import errno
import json

import numpy as np
import pytest
import torch

from unison_core.errors import UnisonError, UsageError
from unison_core.media.wav import quantise, read_wav
from unison_core.pipelines import generation as module
from unison_core.pipelines.generation import Generation, check_writable
from unison_core.pipelines.record import read_record
from unison_core.weights.checksums import sha256


@pytest.fixture
def clip() -> Generation:
    rng = np.random.default_rng(0)
    speech, sfx = (quantise(0.2 * rng.normal(size=16000).clip(-2, 2)) for _ in range(2))
    return Generation(
        frames=rng.integers(0, 255, (25, 32, 32, 3), np.uint8), fps=25, speech=speech, sfx=sfx, mix=speech + sfx,
        rate_hz=16000, metadata={"record": 1, "request": {"caption": "c", "transcript": "t"}, "checks": []},
        latents={"video": torch.zeros(1)},
    )  # fmt: skip


def test_save_writes_five_files_and_their_hashes(clip, tmp_path):
    saved = clip.save(tmp_path / "out", preview=True)
    folder = tmp_path / "out"
    assert {file.name for file in folder.iterdir()} == {
        "video.mp4", "mix.wav", "speech.wav", "sfx.wav", "preview.png", "unison.json",
    }  # fmt: skip
    record = json.loads((folder / "unison.json").read_text())
    assert record == saved.metadata
    assert record["files"] == {n: sha256(folder / n) for n in record["files"]}
    assert set(record["files"]) == {file.name for file in folder.iterdir()} - {"unison.json"}
    speech, sfx, mix = (read_wav(folder / f"{name}.wav")[0] for name in ("speech", "sfx", "mix"))
    assert np.array_equal(mix, speech + sfx)
    inside = read_record(folder / "video.mp4")
    assert inside == {**record, "files": {n: record["files"][n] for n in ("mix.wav", "speech.wav", "sfx.wav")}}
    assert read_record(folder) == record


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full"), RuntimeError("boom")])
def test_nothing_half_written_stays(clip, tmp_path, monkeypatch, error):
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(module, "sha256", fail)
    expected = UnisonError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected, match="disk is full" if isinstance(error, OSError) else None):
        clip.save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_in_ffmpeg_is_named_too(clip, tmp_path, monkeypatch):
    def full(*args: object, **kwargs: object) -> bytes:
        raise UnisonError("ffmpeg: Error writing trailer: No space left on device")

    monkeypatch.setattr("unison_core.media.ffmpeg.run", full)
    with pytest.raises(UnisonError, match="the disk is full; nothing was left behind"):
        clip.save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_overwrite_keeps_the_old_clip(clip, tmp_path, monkeypatch):
    clip.save(tmp_path / "out")
    before = (tmp_path / "out" / "unison.json").read_text()

    def interrupt(path: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "sha256", interrupt)
    with pytest.raises(KeyboardInterrupt):
        clip.save(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "unison.json").read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_overwrite_must_be_asked_for(clip, tmp_path):
    (tmp_path / "out").mkdir()
    clip.save(tmp_path / "out")
    with pytest.raises(UsageError, match="not empty"):
        clip.save(tmp_path / "out")
    (tmp_path / "out" / "stale.txt").touch()
    clip.save(tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "stale.txt").exists()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no folder"):
        clip.save(tmp_path / "file", overwrite=True)


def test_room_and_permission_are_checked_first(tmp_path):
    check_writable(tmp_path / "a" / "b", 1000)
    assert not (tmp_path / "a").exists()
    with pytest.raises(UsageError, match="MB are free"):
        check_writable(tmp_path / "a", 10**18)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is no folder"):
        check_writable(tmp_path / "file" / "out", 0)
    with pytest.raises(UsageError, match="cannot be written to"):
        check_writable(module.Path("/proc/unison"), 0)
