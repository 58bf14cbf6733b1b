"""Options that commands share, as annotated types: the signature of a command is its interface."""

from pathlib import Path
from typing import Annotated

import typer

from unison_cli.failures import remember_debug

GIVEN = "What is given"
WHAT, HOW, SOUND, RUN, REPORT = "What to make", "How to sample", "Sound", "Where and with what", "Reporting"

Caption = Annotated[
    str, typer.Option("--caption", "-c", help="Who is seen, what happens, what sounds.", rich_help_panel=WHAT)
]
Transcript = Annotated[
    str,
    typer.Option("--transcript", "-t", help="The words that are spoken; none: nobody speaks.", rich_help_panel=WHAT),
]
Negative = Annotated[str, typer.Option("--negative", help="Caption of what to stay away from.", rich_help_panel=WHAT)]
Duration = Annotated[
    str, typer.Option("--duration", "-d", help="Seconds, or auto: as long as the transcript takes.", metavar="auto|S",
                      rich_help_panel=WHAT)
]  # fmt: skip
GivenDuration = Annotated[
    str, typer.Option("--duration", "-d", help="Seconds, or auto: as long as what is given.", metavar="auto|S",
                      rich_help_panel=WHAT)
]  # fmt: skip
Size = Annotated[
    str | None, typer.Option("--size", help="Picture size in pixels.  [default: the model's]", metavar="WxH",
                             rich_help_panel=WHAT)
]  # fmt: skip
Span = Annotated[
    str | None, typer.Option("--span", help="When the speech is heard, in seconds, such as 0.5-2.5.",
                             metavar="START-END", rich_help_panel=WHAT)
]  # fmt: skip
Audio = Annotated[
    str | None, typer.Option("--audio", "-a", help="A recording, which is separated into speech and effects.",
                             metavar="FILE", rich_help_panel=GIVEN)
]  # fmt: skip
Speech = Annotated[
    str | None, typer.Option("--speech", help="The speech stem; any sound file.", metavar="FILE", rich_help_panel=GIVEN)
]  # fmt: skip
Sfx = Annotated[
    str | None, typer.Option("--sfx", help="The effects stem; any sound file.", metavar="FILE", rich_help_panel=GIVEN)
]  # fmt: skip
Video = Annotated[
    str | None, typer.Option("--video", help="The picture; any size, rate and codec. It is copied, not encoded again, "
                             "where it starts at 0 and MP4 takes it.", metavar="FILE", rich_help_panel=GIVEN)
]  # fmt: skip
Keep = Annotated[
    str | None, typer.Option("--keep", help="Which stem of the video's own sound stays; the other is generated.",
                             metavar="speech|sfx", rich_help_panel=GIVEN)
]  # fmt: skip
Image = Annotated[
    str | None, typer.Option("--image", help="The first frame; any picture. It is cut around its middle to the size.",
                             metavar="FILE", rich_help_panel=GIVEN)
]  # fmt: skip
ReferenceAudio = Annotated[
    str | None, typer.Option("--reference-audio", help="1 to 5 s of a voice that generated speech shall have.",
                             metavar="FILE", rich_help_panel=GIVEN)
]  # fmt: skip
Start = Annotated[
    float, typer.Option("--start", help="Where in the given files the clip begins, in seconds.", metavar="S",
                        rich_help_panel=GIVEN)
]  # fmt: skip
KeepRate = Annotated[
    bool, typer.Option("--keep-rate", help="Write sound at the given sound's own sample rate.", rich_help_panel=GIVEN)
]
Prompts = Annotated[
    str | None, typer.Option("--prompts", help="Batch: JSONL or CSV file, - for stdin. Keys: id, caption, transcript, "
                             "negative, duration, size, span, seed, steps, text_scale, sync_scale, "
                             "sync_interval, shift, lead, lead_amount, guidance_interval; and what is given: audio, "
                             "speech, sfx, video, keep, image, reference_audio, start, keep_rate.",
                             metavar="FILE", rich_help_panel=WHAT)
]  # fmt: skip
Seed = Annotated[
    int | None, typer.Option("--seed", "-s", help="Seed of the noise; row n of a batch takes seed + n - 1.  "
                             "[default: drawn, and recorded]", rich_help_panel=HOW)
]  # fmt: skip
Steps = Annotated[
    int | None, typer.Option("--steps", help="Sampling steps.  [default: the model's]", rich_help_panel=HOW)
]
TextScale = Annotated[
    str | None, typer.Option("--text-scale", help="Guidance: one value, or video=..,speech=..,sfx=..; 1 is off.  "
                             "[default: the model's]", metavar="SCALE", rich_help_panel=HOW)
]  # fmt: skip
SyncScale = Annotated[
    str | None, typer.Option("--sync-scale", help="SyncCFG, which draws sound and picture together: one value, or "
                             "video=..,speech=..,sfx=..; 1 is off.  [default: the model's]", metavar="SCALE",
                             rich_help_panel=HOW)
]  # fmt: skip
Shift = Annotated[
    str | None, typer.Option("--shift", help="Time shift of the noise levels: one value, or by stream.  "
                             "[default: the model's]", metavar="SHIFT", rich_help_panel=HOW)
]  # fmt: skip
Lead = Annotated[
    str, typer.Option("--lead", help="Which runs ahead in denoising.", metavar="none|video|audio", rich_help_panel=HOW)
]
LeadAmount = Annotated[
    float | None, typer.Option("--lead-amount", help="How far it runs ahead, 0 to 1.  [default: 0.3]",
                               rich_help_panel=HOW)
]  # fmt: skip
GuidanceInterval = Annotated[
    str | None, typer.Option("--guidance-interval", help="Noise levels between which guidance applies, such as "
                             "0.5-0.95: faster, not exact.  [default: the model's]", metavar="LOW-HIGH",
                             rich_help_panel=HOW)
]  # fmt: skip
SyncInterval = Annotated[
    str | None, typer.Option("--sync-interval", help="Noise levels between which SyncCFG moves the picture.  "
                             "[default: the model's]", metavar="LOW-HIGH", rich_help_panel=HOW)
]  # fmt: skip
CacheEvery = Annotated[
    int, typer.Option("--cache-every", help="Compute one in N of the middle steps and continue the others: faster, not "
                      "exact.", metavar="N", rich_help_panel=HOW)
]  # fmt: skip
SpeechGain = Annotated[float, typer.Option("--speech-gain", help="Gain of speech in dB.", rich_help_panel=SOUND)]
SfxGain = Annotated[float, typer.Option("--sfx-gain", help="Gain of effects in dB.", rich_help_panel=SOUND)]
Duck = Annotated[
    float,
    typer.Option("--duck", help="Lower the effects by this many dB while speech is heard.", rich_help_panel=SOUND),
]
Lufs = Annotated[
    float | None, typer.Option("--lufs", help="Loudness of the mix in LUFS, such as -16.  [default: as generated]",
                               rich_help_panel=SOUND)
]  # fmt: skip
Model = Annotated[
    str, typer.Option("--model", "-m", help="Bundled name, folder, or Hub id owner/name[@revision].",
                      rich_help_panel=RUN)
]  # fmt: skip
Lora = Annotated[
    list[str] | None, typer.Option("--lora", help="Adapter in peft's layout, with its strength if not 1; may be given "
                                   "several times.", metavar="FILE[:SCALE]", rich_help_panel=RUN)
]  # fmt: skip
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda[:i] or mps.", rich_help_panel=RUN)]
Precision = Annotated[
    str, typer.Option("--precision", help="auto (bf16 where the device has it in hardware), bf16 or fp32.",
                      rich_help_panel=RUN)
]  # fmt: skip
Memory = Annotated[
    str, typer.Option("--memory", help="What stays on the device: auto (as much as fits), full, offload or stream.",
                      metavar="auto|full|offload|stream", rich_help_panel=RUN)
]  # fmt: skip
Offline = Annotated[bool, typer.Option("--offline", help="Never use the network.", rich_help_panel=RUN)]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Output folder; of a batch, the folder of the items' folders.  "
                              "[default: outputs/<time>-<slug>, of a batch outputs/<file name>]", rich_help_panel=RUN)
]  # fmt: skip
Parallel = Annotated[
    str, typer.Option("--parallel", help="How processes of torchrun or accelerate launch share one clip: its tokens "
                      "(sequence) or the rows of guidance.", metavar="auto|sequence|guidance", rich_help_panel=RUN)
]  # fmt: skip
Compile = Annotated[
    bool, typer.Option("--compile", help="Compile the repeated blocks: the first clip of an installation waits for it.",
                       rich_help_panel=RUN)
]  # fmt: skip
FP8 = Annotated[
    bool, typer.Option("--fp8", help="Multiply in 8 bits in the video branch: faster on H100 and newer, not exact.",
                       rich_help_panel=RUN)
]  # fmt: skip
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Make nothing: print parts, memory, time, downloads and licences.",
                       rich_help_panel=RUN)
]  # fmt: skip
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.", rich_help_panel=RUN)]
Preview = Annotated[
    bool, typer.Option("--preview", help="Write preview.png: frames over spectrograms.", rich_help_panel=REPORT)
]
Gates = Annotated[
    bool, typer.Option("--gates", help="Write gates.json: the gates by block and step.", rich_help_panel=REPORT)
]
Json = Annotated[bool, typer.Option("--json", help="Results as JSON, one object per item.", rich_help_panel=REPORT)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel=REPORT)]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show tracebacks.", callback=remember_debug, is_eager=True,
                       rich_help_panel=REPORT)
]  # fmt: skip
