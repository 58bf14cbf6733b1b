"""Every benchmark's command line is what its docstring says."""

import argparse
import ast
import re
import runpy
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(path for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))


class Parsed(Exception):
    """The command line was understood; what it asks for is not done."""


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.stem)
def script(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return request.param


def call(script: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [script.name, *arguments])
    runpy.run_path(str(script), run_name="__main__")


def docstring(script: Path) -> str:
    return ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""


def test_help_says_what_is_measured(script: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        call(script, ["--help"], monkeypatch)
    assert ended.value.code == 0
    assert docstring(script).splitlines()[0] in " ".join(capsys.readouterr().out.split())


def test_its_examples_are_understood(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples are indented, with optional parts in brackets; two spaces or # part them from what they show."""
    parse = argparse.ArgumentParser.parse_args

    def parse_alone(parser: argparse.ArgumentParser) -> None:
        parse(parser)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_alone)
    examples = re.findall(rf"^ +.*benchmarks/{script.name} ?(.*)$", docstring(script), re.MULTILINE)
    assert examples
    for example in examples:
        arguments = re.split(r"\s\s+", re.sub(r"[\[\]]", "", example))[0]
        with pytest.raises(Parsed):
            call(script, shlex.split(arguments, comments=True), monkeypatch)
