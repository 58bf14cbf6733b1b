"""`unison generate`: caption and transcript -> clips."""

from unison_cli import options
from unison_cli.items import report_item
from unison_cli.output import Output


def generate(
    caption: options.Caption = "",
    transcript: options.Transcript = "",
    negative: options.Negative = "",
    duration: options.Duration = "auto",
    size: options.Size = None,
    span: options.Span = None,
    prompts: options.Prompts = None,
    seed: options.Seed = None,
    steps: options.Steps = None,
    text_scale: options.TextScale = None,
    shift: options.Shift = None,
    lead: options.Lead = "none",
    lead_amount: options.LeadAmount = None,
    guidance_interval: options.GuidanceInterval = None,
    cache_every: options.CacheEvery = 1,
    speech_gain: options.SpeechGain = 0.0,
    sfx_gain: options.SfxGain = 0.0,
    duck: options.Duck = 0.0,
    lufs: options.Lufs = None,
    model: options.Model = "unison-nano",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    memory: options.Memory = "auto",
    parallel: options.Parallel = "auto",
    compile: options.Compile = False,
    fp8: options.FP8 = False,
    offline: options.Offline = False,
    dry_run: options.DryRun = False,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    preview: options.Preview = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Caption and transcript in, clip with separate sound stems out.

    A person says the transcript and does what the caption says.

    Writes video.mp4, mix.wav, speech.wav, sfx.wav and unison.json into the output folder and prints its path.
    """
    from unison_core.media.mix import MixSettings
    from unison_core.pipelines.processes import world
    from unison_core.pipelines.request import GenerateRequest
    from unison_core.pipelines.runs import Run, generate_one, generate_prompts, raise_failures
    from unison_core.pipelines.spelling import parse_duration, parse_interval, parse_scales, parse_size, parse_span

    request = GenerateRequest(
        caption=caption,
        transcript=transcript,
        negative=negative,
        span_s=None if span is None else parse_span(span),
        duration_s=parse_duration(duration),
        size=None if size is None else parse_size(size),
        seed=seed,
        steps=steps,
        text_scale=None if text_scale is None else parse_scales(text_scale),
        shift=None if shift is None else parse_scales(shift),
        lead=lead,
        lead_amount=lead_amount,
        guidance_interval=None if guidance_interval is None else parse_interval(guidance_interval),
        cache_every=cache_every,
        mix=MixSettings(speech_gain_db=speech_gain, sfx_gain_db=sfx_gain, duck_db=duck, lufs=lufs),
    )
    run = Run(model=model, device=device, precision=precision, offline=offline, overwrite=overwrite, preview=preview,
              memory=memory, parallel=parallel, compile=compile, fp8=fp8)  # fmt: skip
    place = world()
    output = Output(json=json, quiet=quiet or not place.first, debug=debug)
    if dry_run:
        from unison_core.pipelines import dry_run as planned

        plan = planned.dry_run(
            request, model=model, device=device, precision=precision, memory=memory, offline=offline
        )  # fmt: skip
        output.result(plan.to_mapping(), "\n".join(plan.lines()))
        return
    if prompts is None:
        item = generate_one(request, run, out, output)
        if place.first:
            report_item(output, item)
        return
    items = []
    for item in generate_prompts(prompts, request, run, out, output):
        report_item(output, item)
        items.append(item)
    raise_failures(items)
