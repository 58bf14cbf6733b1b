"""`unison prepare`: media, or clips of the procedural corpus, into the latent shards that training reads."""

from pathlib import Path
from typing import Annotated

import typer

from unison_cli import options
from unison_cli.output import Output

WHAT, HOW, LIMITS = "What to prepare", "What to write", "What to leave out"


def prepare(
    codecs: Annotated[str, typer.Option("--codecs", help="Model folder, name or Hub id whose codecs encode.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the shards.")],
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MANIFESTS_OR_MEDIA", help="Manifests (.jsonl), media files, and folders of them."),
    ] = None,
    pattern: Annotated[
        str | None, typer.Option("--pattern", help="Names of files to take from folders.", rich_help_panel=WHAT)
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", help="Clips of the procedural corpus, in place of media.", min=1,
                                 rich_help_panel=WHAT)
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", "-s", help="Seed of the corpus' first clip.", min=0, rich_help_panel=WHAT)
    ] = 0,
    split: Annotated[
        str, typer.Option("--split", help="Of the corpus: train or held_out.", rich_help_panel=WHAT)
    ] = "train",
    variants: Annotated[
        int, typer.Option("--variants", help="Corpus clips that share an utterance.", min=1, rich_help_panel=WHAT)
    ] = 1,
    sentences: Annotated[
        Path | None, typer.Option("--sentences", help="More sentences for the corpus.", rich_help_panel=WHAT)
    ] = None,
    separator: Annotated[
        str | None, typer.Option("--separator", help="Takes stems out of recordings without: a --model of separate.",
                                 rich_help_panel=WHAT)
    ] = None,
    transcriber: Annotated[
        str | None, typer.Option("--transcriber", help="Reads words that nothing says: Hub id, folder, or "
                                 "pocketsphinx.", rich_help_panel=WHAT)
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", help="Pictures, WIDTHxHEIGHT.  [default: the preset's]",
                                 rich_help_panel=HOW)
    ] = None,
    min_s: Annotated[
        float | None, typer.Option("--min-seconds", help="Shortest clip.  [default: the preset's]",
                                   rich_help_panel=HOW)
    ] = None,
    max_s: Annotated[
        float | None, typer.Option("--max-seconds", help="Longest clip.  [default: the preset's]",
                                   rich_help_panel=HOW)
    ] = None,
    step: Annotated[
        int, typer.Option("--step", help="Frames between two lengths of clips.", min=4, rich_help_panel=HOW)
    ] = 12,
    static: Annotated[
        float, typer.Option("--static", help="Share of clips made still and silent.", min=0, max=1,
                            rich_help_panel=HOW)
    ] = 0.03,
    no_video: Annotated[
        bool, typer.Option("--no-video", help="Leave the pictures out, as stage 1 does.", rich_help_panel=HOW)
    ] = False,
    with_mix: Annotated[
        bool, typer.Option("--with-mix", help="Also encode the mix (ablation of streams).", rich_help_panel=HOW)
    ] = False,
    shard_clips: Annotated[
        int, typer.Option("--shard-clips", help="Clips per shard, at most.", min=1, rich_help_panel=HOW)
    ] = 128,
    part: Annotated[
        int, typer.Option("--part", help="Recordings per part: what an interruption may cost.", min=1,
                          rich_help_panel=HOW)
    ] = 64,
    min_side: Annotated[
        int, typer.Option("--min-side", help="Smallest picture, by its shorter side.", min=0, rich_help_panel=LIMITS)
    ] = 0,
    min_lufs: Annotated[float, typer.Option("--min-lufs", help="Quietest clip.", rich_help_panel=LIMITS)] = -45.0,
    max_lufs: Annotated[float, typer.Option("--max-lufs", help="Loudest clip.", rich_help_panel=LIMITS)] = -5.0,
    max_silence: Annotated[
        float, typer.Option("--max-silence", help="Largest share of silence.", rich_help_panel=LIMITS)
    ] = 0.9,
    require: Annotated[
        list[str] | None, typer.Option("--require", help="caption or transcript: leave out clips without; may be "
                                       "repeated.", rich_help_panel=LIMITS)
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", help="Threads that decode media; processes that draw the corpus.", min=0,
                          rich_help_panel=options.RUN)
    ] = 1,
    batch: Annotated[
        int | None, typer.Option("--batch", help="Clips encoded together.  [default: 16, fewer of large pictures]",
                                 min=1, rich_help_panel=options.RUN)
    ] = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:  # fmt: skip
    """Encode media, or clips of the procedural corpus, into latent shards with an index and a card.

    A second run continues. Training may start while this still runs. Under `accelerate launch` the processes share the
    work; what is written does not depend on their number.
    """
    from unison_core.errors import UsageError
    from unison_core.pipelines.spelling import parse_size
    from unison_core.preparation.corpus import CorpusRun
    from unison_core.preparation.reasons import FilterConfig
    from unison_core.preparation.run import PrepareRun
    from unison_core.preparation.run import prepare as run

    output = Output(json=json, quiet=quiet, debug=debug)
    try:
        filters = FilterConfig(
            min_side=min_side, min_lufs=min_lufs, max_lufs=max_lufs, max_silence=max_silence,
            require=tuple(require or ()),
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(str(error)) from error
    corpus = None if count is None else CorpusRun(
        count=count, first_seed=seed, split=split, workers=workers, variants=variants, sentences=sentences,
        with_video=not no_video, p_static=static,
    )  # fmt: skip
    task = PrepareRun(
        codecs=codecs, out=out, inputs=inputs or (), corpus=corpus, pattern=pattern,
        size=parse_size(size) if size else None, min_s=min_s, max_s=max_s, step=step, filters=filters,
        separator=separator, transcriber=transcriber, with_video=not no_video, with_mix=with_mix, p_static=static,
        shard_clips=shard_clips, per_part=part, batch=batch, workers=max(workers, 1), device=device, offline=offline,
    )  # fmt: skip
    with output.steps("preparing") as progress:
        made = run(task, progress)
    card = made.card
    left_out = ", ".join(f"{reason} {n}" for reason, n in card["left_out"].items())
    output.info(f"{card['clips']} clips in {card['shards']} shards" + (f"; left out: {left_out}" if left_out else ""))
    output.result({"shards": str(out), "clips": card["clips"], "left_out": card["left_out"]}, str(out))
