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
    from unison_core.weights.resolve import bundled_names

    output = Output(json=json)
    if preset is None:
        names = {"bundled": bundled_names(), "presets": sorted(file.stem for file in PRESETS.glob("*.yaml"))}
        bundled = ", ".join(names["bundled"]) or "none in this installation"
        output.result(names, f"bundled models: {bundled}\npresets: {', '.join(names['presets'])}")
        return
    counts = inventory(load_preset(preset))
    total = sum(counts.values())
    width = max(map(len, counts))
    lines = [f"{name:<{width}}  {count:>15,}" for name, count in {**counts, "total": total}.items()]
    output.result({"preset": preset, "parameters": {**counts, "total": total}}, "\n".join(lines))
