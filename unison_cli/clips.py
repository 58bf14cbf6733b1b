"""What the commands that make clips share: options to a request, and one clip or a batch told of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unison_cli.items import report_item
from unison_cli.output import Output

if TYPE_CHECKING:  # imported late, so that `unison --help` answers at once
    from unison_core.pipelines.request import GenerateRequest
    from unison_core.pipelines.runs import Run


def clip_request(
    *,
    duration: str = "auto",
    size: str | None = None,
    span: str | None = None,
    speech_gain: float = 0.0,
    sfx_gain: float = 0.0,
    duck: float = 0.0,
    lufs: float | None = None,
    text_scale: str | None = None,
    sync_scale: str | None = None,
    sync_interval: str | None = None,
    shift: str | None = None,
    guidance_interval: str | None = None,
    given: dict[str, Any],
    **settings: Any,
) -> GenerateRequest:
    """The request that options spell; `settings` are fields of `GenerateRequest`, `given` those of `Given`."""
    from unison_core.media.mix import MixSettings
    from unison_core.pipelines.given import Given
    from unison_core.pipelines.request import GenerateRequest
    from unison_core.pipelines.spelling import parse_duration, parse_interval, parse_scales, parse_size, parse_span

    return GenerateRequest(
        **settings,
        duration_s=parse_duration(duration),
        size=None if size is None else parse_size(size),
        span_s=None if span is None else parse_span(span),
        text_scale=None if text_scale is None else parse_scales(text_scale),
        sync_scale=None if sync_scale is None else parse_scales(sync_scale),
        sync_interval=None if sync_interval is None else parse_interval(sync_interval, "sync interval"),
        shift=None if shift is None else parse_scales(shift),
        guidance_interval=(
            None if guidance_interval is None else parse_interval(guidance_interval, "guidance interval")
        ),
        mix=MixSettings(speech_gain_db=speech_gain, sfx_gain_db=sfx_gain, duck_db=duck, lufs=lufs),
        given=Given(**given),
    )


def make_clips(
    command: str, request: GenerateRequest, run: Run, prompts: str | None, out: Path | None, output: Output
) -> None:
    """Make one clip, or those of a prompts file, and tell of them."""
    from unison_core.pipelines.processes import world
    from unison_core.pipelines.runs import generate_one, generate_prompts, raise_failures

    first = world().first
    output = output if first else replace(output, quiet=True)
    if prompts is None:
        item = generate_one(request, run, out, output)
        if first:
            report_item(output, item)
        return
    items = []
    for item in generate_prompts(prompts, request, run, out, output, command=command):
        report_item(output, item)
        items.append(item)
    raise_failures(items)


def tell_plan(request: GenerateRequest, run: Run, output: Output) -> None:
    """Tell what a clip would take, and make none."""
    from unison_core.pipelines.dry_run import dry_run

    plan = dry_run(
        request, model=run.model, device=run.device, precision=run.precision, memory=run.memory, offline=run.offline
    )
    output.result(plan.to_mapping(), "\n".join(plan.lines()))
