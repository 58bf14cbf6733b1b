"""`unison models`: which models there are, and what a preset is made of."""

from typing import Annotated

import typer

from unison_cli import options
from unison_cli.output import Output


def models(
    preset: Annotated[str | None, typer.Argument(help="Preset, such as nano or 5b; none lists them.")] = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List models and presets, or count one's parameters.

    The table names the modules of a preset and counts them on the meta device.
    """
    from unison_core.config import PRESETS, load_preset
    from unison_core.pipelines.inventory import inventory
    from unison_core.separation.find import bundled_separators
    from unison_core.weights.resolve import bundled_names

    output = Output(json=json)
    if preset is None:
        names = {"bundled": bundled_names(), "separators": bundled_separators(),
                 "presets": sorted(file.stem for file in PRESETS.glob("*.yaml"))}  # fmt: skip
        models, separators, presets = (", ".join(found) or "none in this installation" for found in names.values())
        output.result(names, f"bundled models: {models}\nbundled separators: {separators}\npresets: {presets}")
        return
    counts = inventory(load_preset(preset))
    total = sum(counts.values())
    width = max(map(len, counts))
    lines = [f"{name:<{width}}  {count:>15,}" for name, count in {**counts, "total": total}.items()]
    output.result({"preset": preset, "parameters": {**counts, "total": total}}, "\n".join(lines))
