"""Two processes: one clip is made once and the same; a batch's clips are spread."""

import json
from pathlib import Path

import forked
import numpy as np
import pytest
import torch.distributed as dist
from typer.testing import CliRunner

from unison_cli.app import app
from unison_core.media.wav import read_wav
from unison_core.pipelines.processes import World, world
from unison_core.pipelines.record import read_record

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch without gloo")
CLIP = ["--device", "cpu", "--precision", "fp32", "--duration", "1.0", "--size", "64x64", "--seed", "3"]


def test_variables_of_a_launcher_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert world().alone
    for name, value in (("WORLD_SIZE", "4"), ("RANK", "3"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert world() == World(rank=3, size=4, local=1)
    assert not world().first
    assert world().device("cpu") == "cpu"


def test_two_processes_make_one_clip_once(small_5b: Path, tmp_path: Path) -> None:
    out = tmp_path / "clip"
    command = ["generate", "--model", small_5b, *CLIP, "-c", "A bell", "--out", out, "--json"]
    done = forked.launch(forked.unison, *command, folder=tmp_path)
    assert all(process.returncode == 0 for process in done), done
    said = [line for process in done for line in process.stdout.splitlines()]
    assert len(said) == 1
    assert json.loads(said[0])["folder"] == str(out)
    assert "2 processes share the clip: sequence" in "".join(process.stderr for process in done)
    assert (out / "video.mp4").is_file()
    assert read_record(out)["request"]["seed"] == 3
    alone = CliRunner().invoke(app, [str(x) for x in (*command, "--out", tmp_path / "alone")])
    assert alone.exit_code == 0, alone.output
    for stem in ("speech.wav", "sfx.wav", "mix.wav"):
        ours, theirs = (read_wav(folder / stem)[0] for folder in (out, tmp_path / "alone"))
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert np.abs(theirs).max() > 0.01


def test_a_batch_is_spread(small_5b: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process makes its own rows; they need not meet."""
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"id": f"n{i}", "caption": f"Bell {i}"}) + "\n" for i in range(3)))
    made = []
    for rank in range(2):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", str(rank))
        command = [
            "generate",
            "--model",
            str(small_5b),
            *CLIP,
            "--prompts",
            str(prompts),
            "--out",
            str(tmp_path / "out"),
        ]
        done = CliRunner().invoke(app, [*command, "--json"])
        assert done.exit_code == 0, done.output
        made.append([json.loads(line)["id"] for line in done.stdout.splitlines()])
    assert made == [["n0", "n2"], ["n1"]]
    stdin = CliRunner().invoke(app, ["generate", "--model", str(small_5b), "--prompts", "-"], input="{}")
    assert stdin.exit_code == 2
    assert "reach one of 2 processes" in stdin.stderr
