"""`unison generate`: caption and transcript, with or without a first frame -> clips."""

from unison_cli import options
from unison_cli.clips import clip_request, make_clips, tell_plan
from unison_cli.output import Output
from unison_core.errors import UsageError


def generate(
    caption: options.Caption = "",
    transcript: options.Transcript = "",
    image: options.Image = None,
    reference_audio: options.ReferenceAudio = None,
    negative: options.Negative = "",
    duration: options.Duration = "auto",
    size: options.Size = None,
    span: options.Span = None,
    prompts: options.Prompts = None,
    seed: options.Seed = None,
    steps: options.Steps = None,
    text_scale: options.TextScale = None,
    sync_scale: options.SyncScale = None,
    sync_interval: options.SyncInterval = None,
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
    lora: options.Lora = None,
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
    gates: options.Gates = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Caption and transcript in, clip with separate sound stems out.

    A person says the transcript and does what the caption says. With --image, the clip begins with that picture.

    Writes video.mp4, mix.wav, speech.wav, sfx.wav and unison.json into the output folder and prints its path.
    """
    from unison_core.pipelines.runs import Run

    request = clip_request(
        caption=caption, transcript=transcript, negative=negative, duration=duration, size=size, span=span, seed=seed,
        steps=steps, text_scale=text_scale, sync_scale=sync_scale, sync_interval=sync_interval, shift=shift, lead=lead,
        lead_amount=lead_amount, guidance_interval=guidance_interval, cache_every=cache_every, speech_gain=speech_gain,
        sfx_gain=sfx_gain, duck=duck, lufs=lufs, given={"image": image, "reference_audio": reference_audio},
    )  # fmt: skip
    run = Run(
        model=model, device=device, precision=precision, offline=offline, overwrite=overwrite, preview=preview,
        gates=gates, memory=memory, parallel=parallel, compile=compile, fp8=fp8, loras=tuple(lora or ()),
    )  # fmt: skip
    output = Output(json=json, quiet=quiet, debug=debug)
    if dry_run and prompts is not None:
        raise UsageError("--dry-run plans one clip, not a --prompts file: give --caption or --transcript instead")
    if dry_run:
        tell_plan(request, run, output)
    else:
        make_clips("generate", request, run, prompts, out, output)
