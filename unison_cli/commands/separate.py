"""`unison separate`: recordings -> speech and effects stems."""

from pathlib import Path
from typing import Annotated

import typer

from unison_cli import options
from unison_cli.output import Output

WHAT, HOW = "What to separate", "What to write"


def separate(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES_OR_FOLDERS", help="Audio or video files, and folders of them."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the items' folders and of manifest.jsonl.",
                           rich_help_panel=HOW)
    ] = Path("stems"),
    manifest: Annotated[
        Path | None, typer.Option("--manifest", help="JSONL whose rows name recordings (audio, mix, path or video).",
                                  rich_help_panel=WHAT)
    ] = None,
    pattern: Annotated[
        str | None, typer.Option("--pattern", help="Names of files to take from folders, such as '*.wav'.  [default: "
                                 "all audio and video]", rich_help_panel=WHAT)
    ] = None,
    format: Annotated[
        str, typer.Option("--format", help="wav, flac, mp3, ogg, opus, m4a or aac.", rich_help_panel=HOW)
    ] = "wav",
    stem: Annotated[str, typer.Option("--stem", help="speech, sfx or both.", rich_help_panel=HOW)] = "both",
    model: Annotated[
        str, typer.Option("--model", "-m", help="Bundled name, folder, checkpoint, or Hub id owner/name[@revision] "
                          "such as KimberleyJSN/melbandroformer.", rich_help_panel=options.RUN)
    ] = "separator-nano",
    device: options.Device = "auto",
    precision: Annotated[
        str, typer.Option("--precision", help="auto (fp16 on a CUDA GPU; on a CPU fp32, or bf16 for wide models "
                          "where it is in hardware), bf16, fp16 or fp32.", rich_help_panel=options.RUN)
    ] = "auto",
    batch: Annotated[
        int | None, typer.Option("--batch", help="Windows computed together.  [default: 4, on a GPU 16]", min=1,
                                 rich_help_panel=options.RUN)
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Recordings in the works at a time.  [default: 2, on a GPU 8]",
                                 min=1, rich_help_panel=options.RUN)
    ] = None,
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the model first: a minute, for hours of sound on a GPU.",
                           rich_help_panel=options.RUN)
    ] = False,
    offline: options.Offline = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:  # fmt: skip
    """Recordings in, speech and effects stems out, which add up to the recording.

    Writes OUT/ITEM/speech.wav and sfx.wav at the recording's own rate and channels, and OUT/manifest.jsonl; prints the
    items' folders. Run it again to go on where it stopped; start it with `accelerate launch -m unison_cli.app separate`
    to share the work between processes.
    """
    from unison_cli.items import report_separated
    from unison_core.pipelines.separation_run import SeparationRun
    from unison_core.pipelines.separation_run import separate as run

    output = Output(json=json, quiet=quiet, debug=debug)
    task = SeparationRun(
        inputs=inputs or [], manifest=manifest, pattern=pattern, out=out, format=format, stem=stem, model=model,
        device=device, precision=precision, batch=batch, workers=workers, compiled=compile, offline=offline,
        overwrite=overwrite,
    )  # fmt: skip
    with output.hours("separating") as progress:
        for item in run(task, progress):
            report_separated(output, item)
