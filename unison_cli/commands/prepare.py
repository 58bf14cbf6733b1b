"""`unison prepare`: encode clips into the latent shards that training reads."""

from pathlib import Path
from typing import Annotated

import typer

from unison_cli import options
from unison_cli.output import Output


def prepare(
    codecs: Annotated[Path, typer.Option("--codecs", help="Model folder whose codecs encode.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the shards.")],
    count: Annotated[int, typer.Option("--count", "-n", help="Number of clips of the procedural corpus.", min=1)],
    seed: Annotated[int, typer.Option("--seed", "-s", help="Seed of the first clip.", min=0)] = 0,
    workers: Annotated[int, typer.Option("--workers", help="Processes that draw and speak; 0 uses none.", min=0)] = 1,
    batch: Annotated[int, typer.Option("--batch", help="Clips encoded together.", min=1)] = 16,
    variants: Annotated[int, typer.Option("--variants", help="Clips that share an utterance.", min=1)] = 1,
    sentences: Annotated[Path | None, typer.Option("--sentences", help="More sentences, one a line.")] = None,
    static: Annotated[
        float, typer.Option("--static", help="Share of clips made still and silent.", min=0, max=1)
    ] = 0.03,
    no_video: Annotated[bool, typer.Option("--no-video", help="Leave the pictures out, as stage 1 does.")] = False,
    with_mix: Annotated[bool, typer.Option("--with-mix", help="Also encode the mix (ablation of streams).")] = False,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Encode clips of the procedural corpus into latent shards.

    Shards that exist are kept, so a second run continues. Training may start while this still runs.
    """
    from unison_core.codecs.codec import Codec
    from unison_core.config import Preset, from_mapping, read_yaml
    from unison_core.pipelines.device import choose_device, choose_precision
    from unison_core.training.prepare import prepare_corpus
    from unison_core.weights.resolve import PRESET_FILE

    output = Output(json=json, quiet=quiet)
    place = choose_device(device)
    precision = choose_precision("auto" if place.type == "cuda" else "fp32", place)
    preset = from_mapping(Preset, read_yaml(codecs / PRESET_FILE), PRESET_FILE)
    codec = Codec.from_folder(codecs, place, precision)
    with output.steps(f"encoding {count} clips") as progress:
        written = prepare_corpus(
            out, codec, preset, count=count, first_seed=seed, workers=workers, batch=batch,
            variants=variants, sentences=sentences, with_video=not no_video, with_mix=with_mix, p_static=static,
            progress=progress,
        )  # fmt: skip
    output.result({"shards": str(out), "written": written}, str(out))
