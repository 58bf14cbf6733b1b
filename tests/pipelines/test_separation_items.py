"""What is separated, and how items are called."""

import json
from pathlib import Path

import pytest

from unison_core.errors import UsageError
from unison_core.pipelines.separation_items import list_sources, output_row


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.wav", "a.mp4", "deep/a.wav", "deep/a.mp3", "notes.txt", ".hidden.wav", ".cache/c.wav"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def names(*inputs: Path, out: Path, manifest: Path | None = None, pattern: str | None = None) -> list[str]:
    return [source.name for source in list_sources(inputs, manifest, out, pattern)]


def test_folders_are_searched(tree: Path, tmp_path: Path) -> None:
    assert names(tree, out=tmp_path / "out") == ["a", "b", "deep/a.mp3", "deep/a.wav"]
    assert names(tree, out=tmp_path / "out", pattern="*.wav") == ["b", "deep/a"]
    assert names(tree, out=tree / "deep") == ["a", "b"]  # what lies in the output folder is no input
    assert names(tree / "b.wav", tree / "deep", out=tmp_path / "out") == ["b", "a.mp3", "a.wav"]


def test_two_folders_keep_their_names(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.wav").touch()
    assert names(tree / "deep", other, out=tmp_path / "out") == ["deep/a.mp3", "deep/a.wav", "other/b"]


@pytest.mark.parametrize(
    ("inputs", "pattern", "message"),
    [
        (["none"], None, "there is no file or folder"),
        (["in"], "*.flac", "holds no file that matches '\\*.flac'"),
        (["out"], None, "is an input folder"),
        ([], None, "nothing to separate"),
        (["in/b.wav", "in/b.wav"], None, "would both be written to b"),
    ],
)
def test_wrong_inputs(tree: Path, tmp_path: Path, inputs: list[str], pattern: str | None, message: str) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match=message):
        list_sources([tmp_path / name for name in inputs], None, tmp_path / "out", pattern)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no audio or video file"):
        list_sources([tmp_path / "empty"], None, tmp_path / "out")


def test_manifests(tree: Path, tmp_path: Path) -> None:
    rows = [{"id": "one", "video": "in/a.mp4", "caption": "A drum"}, {"audio": "in/b.wav"}, {"caption": "?"},
            {"id": "../x", "audio": "in/b.wav"}]  # fmt: skip
    manifest = tmp_path / "set.jsonl"
    manifest.write_text("\n".join([*(json.dumps(row) for row in rows), "{broken", ""]), encoding="utf-8")
    sources = list_sources([], manifest, tmp_path / "out")
    assert [source.name for source in sources[:2]] == ["one", "b"]
    assert [source.path for source in sources[:2]] == [tree / "a.mp4", tree / "b.wav"]
    faults = [source.fault or "" for source in sources[2:]]
    for fault, (line, message) in zip(
        faults, [(3, "names no recording"), (4, "starts with a dot"), (5, "is not JSON")], strict=True
    ):
        assert f"line {line}" in fault
        assert message in fault
    made = output_row(sources[0], tmp_path / "out", {"speech": "one/speech.wav"}, {"duration_s": 1.0})
    assert made == {"id": "one", "video": "../in/a.mp4", "caption": "A drum", "speech": "one/speech.wav",
                    "duration_s": 1.0}  # fmt: skip
