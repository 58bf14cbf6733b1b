"""`unison replay`: repeat a recorded run and compare."""

from pathlib import Path
from typing import Annotated

import typer

from unison_cli import options
from unison_cli.items import report_item
from unison_cli.output import Output


def replay(
    record: Annotated[Path, typer.Argument(help="unison.json, an mp4 that carries its record, or an output folder.")],
    model: Annotated[str | None, typer.Option("--model", "-m", help="Another model.  [default: the record's]")] = None,
    device: Annotated[str | None, typer.Option("--device", help="Another device.  [default: the record's]")] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="Another precision.  [default: the record's]")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--input", help="Where a file is now that the clip was made from.", metavar="NAME=FILE"),
    ] = None,
    offline: options.Offline = False,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    preview: options.Preview = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Repeat a recorded run and compare to the bit.

    Exit code 1 if the result differs; the clip is written all the same.
    """
    from unison_core.errors import UnisonError
    from unison_core.pipelines.replay import replay_record
    from unison_core.pipelines.spelling import parse_pair

    output = Output(json=json, quiet=quiet)
    inputs = dict(parse_pair("input", text) for text in given or ())
    item, comparison = replay_record(
        record, out, output, model=model, device=device, precision=precision, inputs=inputs,
        offline=offline, overwrite=overwrite, preview=preview,
    )  # fmt: skip
    report_item(output, item)
    for change in comparison.changed:
        output.info(f"since the record: {change}")
    if not comparison.identical:
        raise UnisonError(f"not identical: {', '.join(comparison.different)} differ")
    output.info(f"identical to the bit: {', '.join(comparison.same)}")
