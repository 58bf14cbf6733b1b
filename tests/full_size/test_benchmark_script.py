"""`benchmarks/full_size.py` runs from end to end, so that it is ready where a GPU is."""

import json
import sys
from pathlib import Path

import pytest

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
    assert "part 'forwards' is none of ceilings, forward" in capsys.readouterr().err
