"""How the command line is called in tests."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from unison_cli.app import app

Run = Callable[..., Result]


@pytest.fixture
def unison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call `unison` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)

    return run


@pytest.fixture
def generate(unison: Run, tiny_folder: Path) -> Run:
    """Call `unison generate` with the tiny model on the CPU."""

    def run(*arguments: object, stdin: str | None = None) -> Result:
        return unison("generate", "--model", tiny_folder, "--device", "cpu", *arguments, stdin=stdin)

    return run


def json_lines(result: Result) -> list[dict]:
    """The objects on stdout."""
    return [json.loads(line) for line in result.stdout.splitlines()]
