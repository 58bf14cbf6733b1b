"""What all commands have in common: help at once, one line for a failure, the exit code that it stands for."""

import subprocess
import sys
import time

import pytest
import typer

from unison_cli import failures
from unison_core.errors import PartialFailure, UnisonError, UsageError


def test_help_imports_nothing_heavy():
    code = "import sys, unison_cli.app; print(sorted({'torch', 'numpy', 'diffusers', 'scipy'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_help_takes_under_half_a_second_of_processor_time():
    import os

    def seconds() -> float:
        times = os.times()
        return times.children_user + times.children_system

    best = 9.0
    for _ in range(3):
        start = seconds()
        subprocess.check_output([sys.executable, "-m", "unison_cli.app", "--help"])
        best = min(best, seconds() - start)
        time.sleep(0)
    assert best < 0.5


def test_version(unison):
    assert unison("--version").stdout.startswith("unison ")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("size 1x1 is too small"), 2, "error: size 1x1 is too small"),
        (UnisonError("a\nb"), 1, "error: a b"),
        (PartialFailure("1 of 2 items failed"), 3, "error: 1 of 2 items failed"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (MemoryError(), 1, "error: out of memory"),
        (ZeroDivisionError("x"), 1, "error: internal error: ZeroDivisionError: x"),
        (KeyError("x"), 1, "error: internal error: KeyError"),
    ],
)
def test_every_failure_is_one_line(error, code, text):
    from typer.testing import CliRunner

    app = typer.Typer(cls=failures.ReportingGroup)

    @app.callback()
    def root() -> None: ...

    @app.command()
    def fail(debug: bool = typer.Option(False, "--debug", callback=failures.remember_debug, is_eager=True)) -> None:
        raise error

    result = CliRunner().invoke(app, ["fail"])
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith(text)
    assert len(result.stderr.splitlines()) == 1
    if code != 130:
        assert "Traceback" in CliRunner().invoke(app, ["fail", "--debug"]).stderr


def test_models_counts_the_video_branch(unison):
    result = unison("models", "5b")
    assert result.exit_code == 0
    assert "4,999,787,712" in result.stdout
    assert unison("models", "6b").exit_code == 2


def test_doctor_names_a_mismatch():
    from unison_core.pipelines.doctor import torch_mismatch

    assert torch_mismatch("2.12.1+cu130", "2.11.0") is None
    assert torch_mismatch("2.11.0", "2.11.0") is None
    assert torch_mismatch("2.12.1", "2.11.0+cu130") is None
    assert "does not fit" in torch_mismatch("2.14.0", "2.11.0")
    assert "torchaudio==2.11.0" in torch_mismatch("2.12.1", "2.11.1")
    assert "CPU-only" in torch_mismatch("2.12.0+cpu", "2.11.0")


INTERRUPTED_IMPORT = """
import os, signal, typer
from unison_cli.failures import ReportingGroup, interrupts

app = typer.Typer(cls=ReportingGroup)

@app.callback()
def root(): ...

@app.command()
def load():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt as error:
        raise TypeError("expected a message argument") from error

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with Ctrl-C ignored
interrupts.watch()
app(["load"])
"""


def test_ctrl_c_that_a_library_turned_into_an_error_of_its_own_is_an_interruption():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.splitlines() == ["error: interrupted; nothing half-written was left under a final name"]


def test_a_program_started_with_ctrl_c_ignored_keeps_ignoring_it(monkeypatch):
    import signal

    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    monkeypatch.setattr(signal, "signal", lambda *_: pytest.fail("a handler was installed"))
    failures.Interrupts().watch()
