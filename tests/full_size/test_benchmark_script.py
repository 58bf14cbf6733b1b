"""`benchmarks/full_size.py` runs from end to end, so that it is ready where a GPU is."""

import json
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_every_part_prints_its_rows(preset_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import full_size

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [
        "full_size.py", "--preset", str(preset_file), "--device", "cpu", "--precision", "fp32", "--size", "64x64",
        "--frames", "49", "--steps", "2", "--repeats", "1", "--no-compile", "--json", str(tmp_path / "rows.json"),
    ])  # fmt: skip
    assert full_size.main() in (0, 1)
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert {row["part"] for row in rows} == {"ceilings", "forward", "decoding", "run", "faster"}
    assert all(row["value"] >= 0 for row in rows)
    assert any(row["asked"].startswith("at most 0.1") for row in rows)
    printed = capsys.readouterr().out
    assert "random weights" in printed
    assert "caps need a CUDA GPU" in printed


def test_an_unknown_part_is_refused(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import full_size

    monkeypatch.setattr(sys, "argv", ["full_size.py", "--parts", "forwards"])
    with pytest.raises(SystemExit):
        full_size.main()
    assert "no part 'forwards'; there are: ceilings, forward" in capsys.readouterr().err


def test_caps_are_named_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import full_size

    monkeypatch.setattr(sys, "argv", ["full_size.py", "--caps", "24,16"])
    assert full_size.arguments().caps == [24, 16]
    monkeypatch.setattr(sys, "argv", ["full_size.py"])
    assert full_size.arguments().caps == [80, 48, 24, 16]


def test_a_pattern_is_repeated_over_a_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from full.bench import fill_with

    pattern = torch.randn(7)
    for shape in ((2, 2), (7, 3), (5, 9)):
        tensor = torch.empty(shape, dtype=torch.bfloat16)
        fill_with(tensor, pattern)
        torch.testing.assert_close(tensor.view(-1), pattern.repeat(9)[: tensor.numel()].bfloat16(), atol=0, rtol=0)
