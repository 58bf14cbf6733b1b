"""A corpus folder holds what its manifest says, and a second run finishes what a first one began."""

import shutil

import numpy as np
import pytest

from unison_core.corpus.manifest import MANIFEST, read_manifest, write_corpus
from unison_core.errors import UsageError
from unison_core.media.wav import read_wav

pytest.importorskip("skia")
pytestmark = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    out = tmp_path_factory.mktemp("corpus")
    write_corpus(out, 2, seed=10, held_out=True, workers=0, size=64)
    return out


def test_rows_and_files_agree(corpus):
    rows = list(read_manifest(corpus / MANIFEST))
    assert [row["id"] for row in rows] == ["held_out-00000010", "held_out-00000011"]
    for row in rows:
        assert len(row["mouth_opening"]) == row["frames"]
        assert (corpus / row["video"]).stat().st_size > 1000
        for stream in ("speech", "sfx"):
            wave, rate_hz = read_wav(corpus / row[stream])
            assert (len(wave), rate_hz) == (round(row["frames"] / row["fps"] * 16000), 16000)
        assert bool(row["transcript"]) == bool(np.any(read_wav(corpus / row["speech"])[0]))
    assert {p.name for p in corpus.iterdir()} == {
        MANIFEST, *(row[key] for row in rows for key in ("video", "speech", "sfx"))
    }  # fmt: skip


def test_a_stopped_run_goes_on(corpus, tmp_path):
    out = shutil.copytree(corpus, tmp_path / "copy")
    text = (out / MANIFEST).read_text()
    first, second = text.splitlines(keepends=True)
    (out / MANIFEST).write_text(first + second[: len(second) // 2])
    kept = (out / "held_out-00000010.mp4").stat().st_mtime_ns
    steps = []
    write_corpus(out, 2, seed=10, held_out=True, workers=0, size=64, progress=lambda *step: steps.append(step))
    assert (out / MANIFEST).read_text() == text
    assert (out / "held_out-00000010.mp4").stat().st_mtime_ns == kept
    assert steps == [(2, 2)]


def test_sizes_are_not_mixed(corpus):
    with pytest.raises(UsageError, match="64 pixels, not 128"):
        write_corpus(corpus, 2, seed=10, held_out=True, workers=0)


def test_a_broken_line_is_named(tmp_path):
    (tmp_path / MANIFEST).write_text('{"id": 1}\nnonsense\n')
    with pytest.raises(UsageError, match="line 2"):
        list(read_manifest(tmp_path / MANIFEST))
