"""`unison train CONFIG` runs a stage of training; `unison train init` makes a model to start from."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from unison_cli import options
from unison_cli.commands.train_init import init
from unison_cli.output import Output


class ConfigOrCommand(TyperGroup):
    """`unison train CONFIG` is short for `unison train run CONFIG`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` before arguments that name no command."""
        if args and args[0] not in (*self.commands, "--help", "-h"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


train_app = typer.Typer(cls=ConfigOrCommand, no_args_is_help=True, rich_markup_mode=None)


@train_app.callback()
def train_group() -> None:
    """Train what a configuration says: unison train CONFIG.yaml [--set key=value ...]; or `init` a model folder."""


@train_app.command("run")
def train(
    config: Annotated[Path, typer.Argument(help="YAML file with a stage and its settings.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, such as optimizer.lr=1e-4."),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train what a configuration says; prints where the result is."""
    from unison_cli.failures import exit_code
    from unison_core.errors import OutOfMemory, UnisonError
    from unison_core.pipelines.processes import world
    from unison_core.training.stages import run

    first = world().first
    try:
        result = run(config, overrides or [])
    except UnisonError as error:
        if first or isinstance(error, OutOfMemory):
            raise
        raise typer.Exit(exit_code(error)) from error  # the first process tells of it; memory may run out in any
    if first:
        Output(json=json, quiet=quiet).result({"result": str(result)}, str(result))


train_app.command("init")(init)
