"""`unison train`: run a stage of training from a configuration."""

from pathlib import Path
from typing import Annotated

import typer

from unison_cli import options
from unison_cli.output import Output


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
    from unison_core.training.stages import run

    result = run(config, overrides or [])
    Output(json=json, quiet=quiet).result({"result": str(result)}, str(result))
