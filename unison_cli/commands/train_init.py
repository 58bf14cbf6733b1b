"""`unison train init`: a model folder from public weights."""

from pathlib import Path
from typing import Annotated

import typer

from unison_cli import options
from unison_cli.output import Output

SOURCE = "Hub id owner/name[@revision], or folder."


def init(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")],
    preset: Annotated[str, typer.Option("--preset", help="Which sizes.")] = "5b",
    video: Annotated[str | None, typer.Option(help=f"Wan2.2: video branch, video VAE, umT5. {SOURCE}")] = None,
    audio: Annotated[str | None, typer.Option(help=f"MMAudio: audio branch. {SOURCE}")] = None,
    audio_vae: Annotated[str | None, typer.Option(help=f"MMAudio's mel VAE, where not with --audio. {SOURCE}")] = None,
    vocoder: Annotated[str | None, typer.Option(help=f"BigVGAN. {SOURCE}")] = None,
    clip: Annotated[str | None, typer.Option(help=f"CLIP, whose text tower is used. {SOURCE}")] = None,
    transcript: Annotated[str | None, typer.Option(help=f"ZipVoice: transcript encoder. {SOURCE}")] = None,
    from_scratch: Annotated[
        list[str] | None,
        typer.Option("--from-scratch", metavar="PART", help="Random weights for video, audio, transcript, video-vae, "
                     "audio-vae, vocoder or captions; may be repeated, all is every one."),
    ] = None,
    precision: Annotated[str, typer.Option("--precision", help="Of the joint model: bf16 or fp32.")] = "bf16",
    seed: Annotated[int, typer.Option("--seed", "-s", help="Seed of new tensors.", min=0)] = 0,
    offline: options.Offline = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:  # fmt: skip
    """Make a model folder from public weights; what is new starts so that nothing changes.

    Reports every tensor as loaded, new or unused, and the licence of every source; both are recorded in the folder.
    """
    from unison_core.config import load_preset
    from unison_core.errors import UsageError
    from unison_core.pipelines.device import PRECISIONS
    from unison_core.weights.from_public import SCRATCHABLE, Sources, make_folder
    from unison_core.weights.initialise import summary

    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is none of {', '.join(PRECISIONS)}")
    given = {"video": video, "audio": audio, "audio-vae": audio_vae, "vocoder": vocoder, "clip": clip,
             "transcript": transcript}  # fmt: skip
    wanted = frozenset(SCRATCHABLE if "all" in (from_scratch or []) else from_scratch or [])
    sources = Sources(names={part: name for part, name in given.items() if name}, scratch=wanted, offline=offline)
    output = Output(json=json, quiet=quiet)
    parts = make_folder(
        out, load_preset(preset), sources, seed=seed, dtype=PRECISIONS[precision], tell=output.info
    )  # fmt: skip
    for part in parts:
        output.info(
            f"{part.part}: {part.loaded} loaded, {len(part.new)} new, {len(part.unused)} unused; from {part.source}"
            + (f"@{part.revision[:12]}" if part.revision else "") + f"; licence: {part.licence}"
        )  # fmt: skip
        for what, names in (("new", part.new), ("unused", part.unused)):
            for group, count in summary(names).items():
                output.info(f"  {what}: {group} ({count})")
    for part in parts:
        if part.non_commercial:
            output.warn(f"{part.part} is {part.licence}: this folder, and what is trained from it, is not for "
                        "commercial use")  # fmt: skip
    output.result({"model": str(out), "parts": [
        {"part": p.part, "source": p.source, "revision": p.revision, "licence": p.licence, "loaded": p.loaded,
         "new": len(p.new), "unused": len(p.unused)} for p in parts
    ]}, str(out))  # fmt: skip
