"""The one place that prints: results on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import typer


def print_error(text: str) -> None:
    """An error; nothing silences it."""
    typer.echo(f"{typer.style('error:', fg='red', bold=True)} {text}", err=True)


@dataclass(frozen=True, kw_only=True)
class Output:
    """How a command reports.

    Attributes:
        json: results are JSON objects, one a line.
        quiet: nothing but errors goes to stderr.
        debug: failures of single items come with tracebacks.
    """

    json: bool = False
    quiet: bool = False
    debug: bool = False

    def result(self, data: Mapping[str, Any], text: str) -> None:
        """A result: `text`, or `data` as one line of JSON; flushed, so that a pipe sees it at once."""
        typer.echo(json.dumps(data, ensure_ascii=False) if self.json else text)
        sys.stdout.flush()

    def info(self, text: str) -> None:
        """Something worth knowing."""
        if not self.quiet:
            typer.echo(text, err=True)

    def warn(self, text: str) -> None:
        """Something that may be wrong."""
        if not self.quiet:
            typer.echo(f"{typer.style('warning:', fg='yellow', bold=True)} {text}", err=True)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """A spinner while something without steps goes on."""
        if self.quiet or not sys.stderr.isatty():
            self.info(text)
            yield
            return
        from rich.console import Console

        with Console(stderr=True).status(text):
            yield

    @contextmanager
    def steps(self, text: str) -> Iterator[Callable[[int, int], None]]:
        """A progress bar with rate and time left; yields what to call with (steps done, steps)."""
        if self.quiet or not sys.stderr.isatty():
            self.info(text)
            yield lambda done, total: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as Left

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
        )
        left = (TextColumn("elapsed"), TimeElapsedColumn(), TextColumn("left"), Left())
        with Progress(*columns, *left, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(text, total=None, rate="")

            def advance(done: int, total: int) -> None:
                speed = bar.tasks[0].finished_speed or bar.tasks[0].speed
                bar.update(task, completed=done, total=total, rate=f"{speed:.2f}/s" if speed else "")

            yield advance
