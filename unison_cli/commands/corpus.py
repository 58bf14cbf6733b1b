"""`unison corpus`: draw and sound the procedural corpus onto the disk."""

from pathlib import Path
from typing import Annotated

import typer

from unison_cli import options
from unison_cli.output import Output


def corpus(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the media and the manifest.")],
    count: Annotated[int, typer.Option("--count", "-n", help="Number of clips.", min=1)],
    seed: Annotated[int, typer.Option("--seed", "-s", help="Seed of the first clip; clip i has seed + i.", min=0)] = 0,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Sentences and combinations that training never sees.")
    ] = False,
    size: Annotated[int, typer.Option("--size", help="Side of the picture in pixels.", min=32)] = 128,
    variants: Annotated[int, typer.Option("--variants", help="Clips in a row that share one utterance.", min=1)] = 1,
    sentences: Annotated[
        Path | None,
        typer.Option("--sentences", help="More training sentences, one a line.", exists=True, dir_okay=False),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes; 0 works in this one.  [default: one per core]", min=0)
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Draw and sound procedural clips, with their truth.

    Writes media and a JSONL manifest (stems, transcript, caption, events, mouth opening).
    """
    from unison_core.corpus.manifest import write_corpus

    output = Output(json=json, quiet=quiet)
    with output.steps(f"drawing {count} clips") as progress:
        manifest = write_corpus(
            out,
            count,
            seed=seed,
            held_out=held_out,
            workers=workers,
            variants=variants,
            size=size,
            extra=sentences,
            progress=progress,
        )
    output.result({"manifest": str(manifest), "count": count}, str(manifest))
