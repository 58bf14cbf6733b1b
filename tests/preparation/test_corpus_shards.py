"""Clips of the corpus as shards: in the order of their seeds, whatever was made before."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unison_cli.app import app
from unison_core.training.shard_format import read_shard

pytestmark = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


def prepare(codecs: Path, out: Path, *options: object) -> None:
    told = ["prepare", "--codecs", codecs, "--out", out, "--no-video", "--workers", 0, "--shard-clips", 3, "--batch", 2,
            "--device", "cpu", *options]  # fmt: skip
    result = CliRunner().invoke(app, [str(word) for word in told])
    assert result.exit_code == 0, result.output


def test_shards_hold_the_clips_of_their_seeds_and_come_out_the_same(tiny_folder: Path, tmp_path: Path) -> None:
    prepare(tiny_folder, tmp_path / "a", "--count", 6, "--static", 0.4)
    first, second = sorted((tmp_path / "a").glob("*.tar"))
    assert [s.key for s in read_shard(first)] == ["00000000", "00000001", "00000002"]
    assert {s.meta["static"] for path in (first, second) for s in read_shard(path)} == {True, False}
    before = second.read_bytes()
    second.unlink()
    stamp = first.stat().st_mtime_ns
    prepare(tiny_folder, tmp_path / "a", "--count", 6, "--static", 0.4)
    assert second.read_bytes() == before
    assert first.stat().st_mtime_ns == stamp


def test_a_longer_run_completes_the_last_shard(tiny_folder: Path, tmp_path: Path) -> None:
    prepare(tiny_folder, tmp_path, "--count", 2)
    (only,) = tmp_path.glob("*.tar")
    assert len(list(read_shard(only))) == 2
    prepare(tiny_folder, tmp_path, "--count", 4)
    assert [len(list(read_shard(path))) for path in sorted(tmp_path.glob("*.tar"))] == [3, 1]
