"""`unison export`: a trained model folder in the form that is bundled and published."""

from pathlib import Path
from typing import Annotated

import typer

from unison_cli import options
from unison_cli.output import Output


def export(
    model: Annotated[Path, typer.Argument(help="Model folder, as training writes it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")],
    precision: Annotated[str, typer.Option("--precision", help="bf16 or fp32.")] = "bf16",
    lora: Annotated[
        list[str] | None, typer.Option("--lora", metavar="FILE[:SCALE]", help="Merge this adapter into the weights.")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write a trained model folder in the form that is published.

    The joint model becomes bf16 (or fp32) shards under 16 MB; its codecs are copied beside it.
    """
    from unison_core.config import Preset, from_mapping, read_yaml
    from unison_core.errors import UsageError
    from unison_core.pipelines.device import PRECISIONS
    from unison_core.weights.lora import merged_tensors, parse_adapter
    from unison_core.weights.resolve import PRESET_FILE
    from unison_core.weights.save import save_model
    from unison_core.weights.tensors import read_tensors

    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is none of {', '.join(PRECISIONS)}")
    preset = from_mapping(Preset, read_yaml(model / PRESET_FILE), PRESET_FILE)
    adapters = [parse_adapter(text) for text in lora or ()]
    tensors = merged_tensors(model, preset, adapters) if adapters else read_tensors(model)
    save_model(out, preset, tensors, codecs=model, dtype=PRECISIONS[precision])
    Output(json=json, quiet=quiet).result({"model": str(out)}, str(out))
