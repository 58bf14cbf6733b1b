"""Every wrong request is one clear line on stderr, nothing on stdout, exit code 2, and no file."""

from pathlib import Path

import pytest

LONG = "a very long sentence that goes on and on " * 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "caption and transcript are both empty"),
        (["-c", "  ", "-t", ""], "caption and transcript are both empty"),
        (["-c", "x", "--duration", "0.2"], "duration 0.2 s is outside what tiny makes, 1 to 4.04 s"),
        (["-c", "x", "--duration", "60"], "outside"),
        (["-c", "x", "--duration", "nan"], "not a number"),
        (["-c", "x", "--duration", "soon"], "duration 'soon' is not a number: use auto"),
        (["-c", "x", "--size", "100x100"], "width 100 of size 100x100 does not suit tiny, which takes multiples of 16"),
        (["-c", "x", "--size", "64"], "WIDTHxHEIGHT"),
        (["-c", "x", "--size", "64x9999"], "height 9999"),
        (["-t", LONG], "shorten the transcript to about"),
        (["-t", "We start in five minutes and then we all go home", "--duration", "1"], "use --duration"),
        (["-t", "Hello", "--span", "2-1"], "must start at 0 or later and end after it starts"),
        (["-t", "Hello", "--span", "0-3", "--duration", "2"], "does not fit into 2 s"),
        (["-c", "x", "--span", "0-1"], "no transcript"),
        (["-c", "x", "--steps", "0"], "steps=0 is outside"),
        (["-c", "x", "--seed", "-1"], "seed=-1 is outside"),
        (["-c", "x", "--text-scale", "voice=2"], "no stream 'voice'"),
        (["-c", "x", "--text-scale", "99"], "text scale 99 of video is outside"),
        (["-c", "x", "--shift", "0"], "shift 0 of video is outside"),
        (["-c", "x", "--lead", "sound"], "lead 'sound' is none of"),
        (["-c", "x", "--lead-amount", "0.5"], "nothing leads"),
        (["-c", "x", "--lead", "audio", "--lead-amount", "2"], "lead amount 2 is outside"),
        (["-c", "x", "--duck", "-3"], "duck -3 dB is outside"),
        (["-c", "x", "--lufs", "0"], "lufs 0 dB is outside"),
        (["-c", "x", "--model", "unison-giga"], "unknown model 'unison-giga'"),
        (["-c", "x", "--device", "cuda"], "sees no CUDA GPU"),
        (["-c", "x", "--device", "tpu"], "device 'tpu' is none of"),
        (["-c", "x", "--precision", "int8"], "precision 'int8' is none of"),
        (["-c", "x", "--out", "/dev/null/x"], "is no folder"),
        (["-c", "x", "--out", "taken"], "not empty"),
        (["-c", "x", "--out", "file"], "is no folder"),
        (["--prompts", "missing.jsonl"], "No such file"),
        (["--prompts", "half.jsonl"], "line 1: no complete JSON"),
        (["--prompts", "empty.jsonl"], "it has no rows"),
        (["--prompts", "escape.jsonl"], "no plain folder name"),
        (["--prompts", "half.jsonl", "--dry-run"], "--dry-run plans one clip, not a --prompts file"),
        (["-t", "!!! ..."], "holds no word that can be spoken"),
        (["-c", "a red drum and a blue bell " * 30], "tokens longer than the 64 that tiny reads"),
    ],
)
def test_one_clear_line(generate, monkeypatch, tmp_path: Path, arguments, message):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").touch()
    (tmp_path / "file").touch()
    (tmp_path / "half.jsonl").write_text('{"caption": "a wom')
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "escape.jsonl").write_text('{"id": "../../escape", "caption": "x"}\n')
    before = sorted(tmp_path.rglob("*"))

    def never(*args: object) -> None:
        raise AssertionError("weights were loaded before everything was checked")

    monkeypatch.setattr("unison_core.pipelines.unison_pipeline.load", never)
    result = generate(*arguments)
    assert message in result.stderr
    assert result.exit_code == 2
    assert result.stdout == ""
    assert [line for line in result.stderr.splitlines() if line.startswith("error:")] == result.stderr.splitlines()
    assert len(result.stderr.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_seen_before_loading(generate, monkeypatch, tmp_path):
    usage = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    result = generate("-c", "x", "--out", "o")
    assert result.exit_code == 2
    assert "0.0 MB are free" in result.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("victim", ["model.safetensors", "vocoder.safetensors"])
def test_damaged_weights_are_named(generate, tiny_folder, tmp_path, victim):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(tiny_folder, copy)
    (copy / victim).write_bytes((copy / victim).read_bytes()[:-100])
    result = generate("-c", "x", "--model", copy)
    assert result.exit_code == 1
    assert f"{victim} is damaged or cut short" in result.stderr
    assert len(result.stderr.splitlines()) == 1
