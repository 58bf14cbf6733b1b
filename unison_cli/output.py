"""The one place that prints: results on stdout, everything else on stderr."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import typer

REPORT_EVERY_S = 30.0


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

    @contextmanager
    def hours(self, text: str) -> Iterator[Callable[[float, int, float], None]]:
        """Progress of work on sound: items, hours of sound per hour, time left; yields what takes those (items, of how
        many, seconds of sound so far). Without a terminal it is a line every half minute."""
        began = told = time.monotonic()

        def line(done: float, total: int, audio_s: float) -> str:
            spent_s = max(time.monotonic() - began, 1e-3)
            left = f", {clock(spent_s * (total - done) / done)} left" if done else ""
            return f"{int(done)}/{total}, {audio_s / 3600:.2f} h of sound, {audio_s / spent_s:.1f} h per hour{left}"

        if self.quiet or not sys.stderr.isatty():

            def tell(done: float, total: int, audio_s: float) -> None:
                nonlocal told
                if time.monotonic() - told > REPORT_EVERY_S:
                    told = time.monotonic()
                    self.info(f"{text}: {line(done, total, audio_s)}")

            yield tell
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[line]}"))
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(text, total=None, line="")
            yield lambda done, total, audio_s: bar.update(
                task, completed=done, total=total, line=line(done, total, audio_s)
            )


def clock(seconds: float) -> str:
    """Hours, minutes and seconds as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
