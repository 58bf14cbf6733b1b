"""`unison a2v`: speech, effects, or a recording of both -> clips; what is missing is generated."""

from unison_cli import options
from unison_cli.clips import clip_request, make_clips
from unison_cli.output import Output


def a2v(
    caption: options.Caption = "",
    transcript: options.Transcript = "",
    audio: options.Audio = None,
    speech: options.Speech = None,
    sfx: options.Sfx = None,
    image: options.Image = None,
    reference_audio: options.ReferenceAudio = None,
    start: options.Start = 0.0,
    keep_rate: options.KeepRate = False,
    negative: options.Negative = "",
    duration: options.GivenDuration = "auto",
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
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    preview: options.Preview = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Sound in, clip with a picture to it out.

    Give a recording (--audio, which is separated on the way) or its stems. A stem that is not given is generated: from
    speech alone come picture and effects, from effects alone picture and speech. What is given comes out as it went
    in; the words of given speech may be told with --transcript. With --image, the clip begins with that picture.

    Writes video.mp4, mix.wav, speech.wav, sfx.wav and unison.json into the output folder and prints its path.
    """
    from unison_core.errors import UsageError
    from unison_core.pipelines.runs import Run

    if prompts is None and not (audio or speech or sfx):
        raise UsageError("a2v needs sound: --audio, --speech or --sfx")
    request = clip_request(
        caption=caption, transcript=transcript, negative=negative, duration=duration, size=size, span=span, seed=seed,
        steps=steps, text_scale=text_scale, sync_scale=sync_scale, sync_interval=sync_interval, shift=shift, lead=lead,
        lead_amount=lead_amount, guidance_interval=guidance_interval, cache_every=cache_every, speech_gain=speech_gain,
        sfx_gain=sfx_gain, duck=duck, lufs=lufs, given={
            "audio": audio, "speech": speech, "sfx": sfx, "image": image, "reference_audio": reference_audio,
            "start_s": start, "keep_rate": keep_rate,
        },
    )  # fmt: skip
    run = Run(
        model=model, device=device, precision=precision, offline=offline, overwrite=overwrite, preview=preview,
        memory=memory, parallel=parallel, compile=compile, fp8=fp8, loras=tuple(lora or ()),
    )  # fmt: skip
    make_clips("a2v", request, run, prompts, out, Output(json=json, quiet=quiet, debug=debug))
