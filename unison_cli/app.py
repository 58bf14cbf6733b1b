"""The `unison` program: its commands, and what every command has in common.

Commands import what they need when they run, so that `unison --help` answers at once.
"""

import signal
import sys
from typing import Annotated

import typer

from unison_cli.allocator import keep_freed_memory
from unison_cli.commands.a2v import a2v
from unison_cli.commands.corpus import corpus
from unison_cli.commands.doctor import doctor
from unison_cli.commands.eval import evaluate
from unison_cli.commands.export import export
from unison_cli.commands.generate import generate
from unison_cli.commands.models import models
from unison_cli.commands.prepare import prepare
from unison_cli.commands.replay import replay
from unison_cli.commands.separate import separate
from unison_cli.commands.train import train_app
from unison_cli.commands.v2a import v2a
from unison_cli.failures import ReportingGroup, interrupts

app = typer.Typer(
    name="unison",
    cls=ReportingGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"unison {version('unison-av')}")
        raise typer.Exit


@app.callback()
def unison(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Caption and transcript in; a video whose motion, speech and sound effects belong together out.

    Results go to stdout, everything else to stderr. Exit codes: 0 ok, 1 failed, 2 wrong usage,
    3 some items of a batch failed, 130 interrupted.
    """


for command in (generate, a2v, v2a, separate, replay, corpus, prepare, export, models, doctor):
    app.command()(command)
app.command("eval")(evaluate)
app.add_typer(train_app, name="train")


def main() -> None:
    """Entry point of the `unison` script."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that nothing half-written stays
    interrupts.watch()
    keep_freed_memory()
    app()


if __name__ == "__main__":
    main()
