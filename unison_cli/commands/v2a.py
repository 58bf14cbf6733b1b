"""`unison v2a`: a video -> the same picture with new sound, or with one new stem."""

from unison_cli import options
from unison_cli.clips import clip_request, make_clips
from unison_cli.output import Output


def v2a(
    caption: options.Caption = "",
    transcript: options.Transcript = "",
    video: options.Video = None,
    speech: options.Speech = None,
    sfx: options.Sfx = None,
    keep: options.Keep = None,
    reference_audio: options.ReferenceAudio = None,
    start: options.Start = 0.0,
    keep_rate: options.KeepRate = False,
    negative: options.Negative = "",
    duration: options.GivenDuration = "auto",
    span: options.Span = None,
    prompts: options.Prompts = None,
    seed: options.Seed = None,
    steps: options.Steps = None,
    text_scale: options.TextScale = None,
    sync_scale: options.SyncScale = None,
    shift: options.Shift = None,
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
    """Video in, the same picture with new sound out.

    Caption and transcript steer what is heard. With --sfx FILE or --keep sfx the effects stay and only speech is
    generated (dubbing); with --speech FILE or --keep speech it is the other way round. The picture is copied as it is,
    not encoded again, unless it begins later than at 0 or MP4 does not take its codec: unison.json says which.

    Writes video.mp4, mix.wav, speech.wav, sfx.wav and unison.json into the output folder and prints its path.
    """
    from unison_core.errors import UsageError
    from unison_core.pipelines.runs import Run

    if prompts is None and not video:
        raise UsageError("v2a needs a video: --video")
    request = clip_request(
        caption=caption, transcript=transcript, negative=negative, duration=duration, span=span, seed=seed, steps=steps,
        text_scale=text_scale, sync_scale=sync_scale, shift=shift, speech_gain=speech_gain, sfx_gain=sfx_gain,
        duck=duck, lufs=lufs, given={
            "video": video, "speech": speech, "sfx": sfx, "keep": keep,
            "reference_audio": reference_audio, "start_s": start, "keep_rate": keep_rate,
        },
    )  # fmt: skip
    run = Run(
        model=model, device=device, precision=precision, offline=offline, overwrite=overwrite, preview=preview,
        memory=memory, parallel=parallel, compile=compile, fp8=fp8, loras=tuple(lora or ()),
    )  # fmt: skip
    make_clips("v2a", request, run, prompts, out, Output(json=json, quiet=quiet, debug=debug))
