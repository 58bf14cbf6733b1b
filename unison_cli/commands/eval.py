"""`unison eval`: score clips, compare evaluations, list metrics."""

from pathlib import Path
from typing import Annotated

import typer

from unison_cli import options
from unison_cli.output import Output

CLIPS, HOW, SHOW = "What to score", "How to score", "What to show"


def evaluate(
    source: Annotated[
        Path | None,
        typer.Argument(help="Folder of clips (ours, or any videos), manifest (JSONL), or prompts with --model."),
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option("--set", help="nano-bench, or a set's manifest or folder.", metavar="NAME|PATH",
                     rich_help_panel=CLIPS),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Makes the clips.  [default: of a --set, unison-nano]",
                                 rich_help_panel=CLIPS)
    ] = None,
    recordings: Annotated[
        bool, typer.Option("--recordings", help="Score nano-bench's own recordings: what the measures give at best.",
                           rich_help_panel=CLIPS)
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Only so many items.", min=1, rich_help_panel=CLIPS)
    ] = None,
    steps: options.Steps = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", help="Names, comma-separated; all: whatever is built.  "
                                 "[default: weight-free]", metavar="NAMES", rich_help_panel=HOW)
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Folder of learned metrics' weights.", metavar="DIR", exists=True,
                                  file_okay=False, rich_help_panel=HOW)
    ] = None,
    features: Annotated[
        Path | None, typer.Option("--features", help="Folder of features, which evaluations may share.  "
                                  "[default: in --out]", rich_help_panel=HOW)
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", help="Processes; 0 works in this one.  [default: one per core]", min=0,
                                 rich_help_panel=HOW)
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List all metrics.", rich_help_panel=SHOW)] = False,
    compared: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", help="Paired differences of two evaluations.", metavar="A B", rich_help_panel=SHOW),
    ] = None,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Write index.html.", rich_help_panel=SHOW)] = True,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    offline: options.Offline = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the results.  [default: outputs/eval-<name>]",
                                  rich_help_panel=options.RUN)
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:  # fmt: skip
    """Score clips that this project or any other made.

    Writes scores.jsonl (as they come; a second run goes on), summary.json, summary.md and index.html, and prints the
    folder. Exit code 3 if anything could not be scored that should have been.
    """
    output = Output(json=json, quiet=quiet, debug=debug)
    if listed:
        from unison_core.evaluation.tables import listing, listing_text

        rows = listing()
        output.result({"metrics": rows}, listing_text(rows))
        return
    if compared is not None:
        from unison_core.evaluation.compare import compare, table

        differences = compare(*compared)
        data = {"a": str(compared[0]), "b": str(compared[1]), "differences": [x.to_mapping() for x in differences]}
        output.result(data, table(differences, *(path.name for path in compared)))
        return
    from unison_core.evaluation.run import EvalRequest, default_out, first_process, raise_faults, run_evaluation
    from unison_core.evaluation.tables import main_table

    request = EvalRequest(
        source=source, benchmark=benchmark, recordings=recordings, model=model, steps=steps, limit=limit,
        metrics=[name.strip() for name in metrics.split(",")] if metrics else None, weights=weights,
        features=features, jobs=jobs,
        out=out or default_out(source, benchmark, recordings), device=device, precision=precision, offline=offline,
        page=page,
    )  # fmt: skip
    summary = run_evaluation(request, output)
    if first_process():
        output.info(main_table(summary))
        output.result({"out": str(request.out), **summary.to_mapping()}, str(request.out))
        raise_faults(summary)
