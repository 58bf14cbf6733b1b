"""What one run of `generate`, `a2v` or `v2a` is asked to do, completed: defaults filled in, values checked.

The completed request, a `ClipSpec`, is what the record keeps and what `replay` repeats, so nothing that shapes a clip
lives elsewhere.
"""

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from unison_core.config import Preset, SizeConfig
from unison_core.errors import UsageError
from unison_core.media.mix import MixSettings
from unison_core.pipelines.given import REFERENCE, Given, describe_files
from unison_core.pipelines.given_length import given_duration_s
from unison_core.pipelines.separating import find_bundled, needs_separation
from unison_core.timing import Timing
from unison_core.types import AUDIO_STREAMS, SPEECH, STREAMS, VIDEO

SILENT_DURATION_S = 3.0
"""Length of a clip in which nobody speaks, unless asked otherwise."""
MAX_STEPS = 1000
MAX_SCALE = 30.0
MAX_CACHE_EVERY = 8


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """One clip to be made. None means: as the preset has it, or (duration, seed) as chosen when completed."""

    caption: str = ""
    """Who is seen, what happens, what sounds."""
    transcript: str = ""
    """The words that are spoken; empty: nobody speaks."""
    negative: str = ""
    """Caption of what guidance moves away from."""
    span_s: tuple[float, float] | None = None
    """Start and end of the speech in seconds."""
    duration_s: float | None = None
    """Length of the clip; None follows the transcript."""
    size: tuple[int, int] | None = None
    """Width and height in pixels."""
    seed: int | None = None
    """Seed of all noise; None draws one, and the record says which."""
    steps: int | None = None
    """Sampling steps."""
    text_scale: Mapping[str, float] | None = None
    """Guidance scale per stream; streams left out keep the preset's. 1 is no guidance."""
    shift: Mapping[str, float] | None = None
    """Time shift per stream; streams left out keep the preset's."""
    sync_scale: Mapping[str, float] | None = None
    """SyncCFG scale per stream; streams left out keep the preset's. 1 is off."""
    sync_interval: tuple[float, float] | None = None
    """Noise levels between which SyncCFG moves the picture; None is the preset's."""
    lead: str = "none"
    """Which modality runs ahead in denoising: none, video or audio."""
    lead_amount: float | None = None
    """How far it runs ahead, in [0, 1]; None is 0.3 where something leads."""
    guidance_interval: tuple[float, float] | None = None
    """Noise levels between which guidance applies; None is the preset's."""
    cache_every: int = 1
    """Of the steps in the middle, one in so many is computed and the others continued; 1 is exact."""
    mix: MixSettings = field(default_factory=MixSettings)
    """How the stems become the mix."""
    given: Given = field(default_factory=Given)
    """Sound, video or image that the clip is made from."""


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """A completed request: with the same weights it always makes the same clip. Fields as in `GenerateRequest`."""

    caption: str
    transcript: str
    negative: str
    span_s: tuple[float, float] | None
    """None: where the transcript's predicted length puts it."""
    duration_s: float
    """A whole number of frames."""
    size: tuple[int, int]
    seed: int
    steps: int
    text_scale: Mapping[str, float]
    shift: Mapping[str, float]
    lead: str
    lead_amount: float
    mix: MixSettings
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    cache_every: int = 1
    sync_scale: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(STREAMS, 1.0))
    sync_interval: tuple[float, float] = (0.0, 1.0)
    given: Given = field(default_factory=Given)


def complete(request: GenerateRequest, preset: Preset) -> ClipSpec:
    """Replace every None of a request by the value that will be used.

    Raises:
        UsageError: nothing was asked for, or a value is outside what the preset does.
    """
    caption, transcript, given = request.caption.strip(), request.transcript.strip(), request.given
    if not caption and not transcript and not given.files.keys() - {REFERENCE}:
        raise UsageError("caption and transcript are both empty: say what is seen, or what is spoken")
    _check_captions({"caption": caption, "negative caption": request.negative.strip()}, preset)
    if given.reference_audio and preset.model.reference is None:
        raise UsageError(f"{preset.name} takes no reference voice: it was not trained for one")
    if given.reference_audio and not transcript:
        raise UsageError("a reference voice is given, but no transcript: nobody speaks")
    sampling = preset.sampling
    defaults = {stream: sampling.text_scale[stream] for stream in STREAMS}
    scale = _per_stream("text scale", request.text_scale, defaults, 0, MAX_SCALE)
    made_to_sound = given.stems and not given.video and (SPEECH in given.stems or not transcript)
    preset_sync = {**sampling.sync_scale, **(sampling.a2v_sync_scale if made_to_sound else {})}
    sync_defaults = {stream: preset_sync.get(stream, 1.0) for stream in STREAMS}
    sync_scale = _per_stream("sync scale", request.sync_scale, sync_defaults, 0, MAX_SCALE)
    shift = _per_stream("shift", request.shift, dict.fromkeys(STREAMS, sampling.shift), 0.05, 100)
    steps = sampling.steps if request.steps is None else request.steps
    if not 1 <= steps <= MAX_STEPS:
        raise UsageError(f"steps={steps} is outside 1..{MAX_STEPS}")
    seed = secrets.randbelow(2**32) if request.seed is None else request.seed
    if not 0 <= seed < 2**63:
        raise UsageError(f"seed={seed} is outside 0..{2**63 - 1}")
    return ClipSpec(
        caption=caption,
        transcript=transcript,
        negative=request.negative.strip(),
        span_s=request.span_s,
        duration_s=_duration_s(request, transcript, preset),
        size=_size(request.size, preset),
        seed=seed,
        steps=steps,
        text_scale=scale,
        shift=shift,
        lead=request.lead,
        lead_amount=_lead_amount(request),
        guidance_interval=_interval("guidance", request.guidance_interval or sampling.guidance_interval),
        cache_every=_cache_every(request.cache_every),
        mix=request.mix,
        sync_scale=sync_scale,
        sync_interval=_interval("sync", request.sync_interval or sampling.sync_interval),
        given=given,
    )


def _duration_s(request: GenerateRequest, transcript: str, preset: Preset) -> float:
    """The clip's length: a whole number of frames that holds the speech."""
    from unison_core.text.prompt import END_S, START_S, fitting_duration_s

    timing = preset.timing
    comfortable = fitting_duration_s(transcript) if transcript else 0.0
    if transcript and not comfortable:
        raise UsageError(f"transcript {transcript[:40]!r} holds no word that can be spoken")
    needed = max(comfortable - START_S - END_S, 0.0)
    if request.span_s is not None:
        needed = comfortable = _span_end(request.span_s, transcript)
    if request.given:
        found = describe_files(request.given)
        if needs_separation(request.given):
            find_bundled()
        if request.given.stems or request.given.video:
            needed = 0.0 if SPEECH in request.given.stems and request.span_s is None else needed
            return given_duration_s(request.given, found, request.duration_s, needed, preset)
    if request.duration_s is None:
        if needed > timing.max_s + 1e-6:
            raise UsageError(
                f"the speech takes {needed:.1f} s, but {preset.name} makes at most {timing.max_s:g} s: "
                + _shorten(request, transcript, timing.max_s)
            )
        wanted = comfortable if transcript else SILENT_DURATION_S
        return _whole_frames(min(max(wanted, timing.min_s), timing.max_s), timing, up=True)
    if not math.isfinite(request.duration_s) or not timing.min_s <= request.duration_s <= timing.max_s:
        raise UsageError(
            f"duration {request.duration_s:g} s is outside what {preset.name} makes, "
            f"{timing.min_s:g} to {timing.max_s:g} s"
        )
    duration = _whole_frames(request.duration_s, timing)
    if needed > duration + 1e-6:
        longer = f"use --duration {math.ceil(needed * 10) / 10:g} or more, or " if needed <= timing.max_s else ""
        raise UsageError(
            f"the speech takes {needed:.1f} s and does not fit into {duration:g} s: "
            + longer + _shorten(request, transcript, duration)
        )  # fmt: skip
    return duration


def _shorten(request: GenerateRequest, transcript: str, duration_s: float) -> str:
    from unison_core.text.prompt import END_S, START_S, fitting_duration_s

    if request.span_s is not None:
        return f"end the span at {duration_s:g} s"
    words = transcript.split()
    while words and fitting_duration_s(" ".join(words)) - START_S - END_S > duration_s:
        words.pop()
    return f"shorten the transcript to about {len(words)} word{'s' * (len(words) != 1)}"


def _span_end(span_s: tuple[float, float], transcript: str) -> float:
    """When the speech ends; raises UsageError for a span that makes no sense."""
    start, end = span_s
    if not transcript:
        raise UsageError("a speech span is given, but no transcript")
    if not 0 <= start < end:
        raise UsageError(f"speech span {start:g}-{end:g} s must start at 0 or later and end after it starts")
    return end


def _whole_frames(duration_s: float, timing: Timing, *, up: bool = False) -> float:
    frames = math.ceil(duration_s * timing.fps - 1e-6) if up else timing.shown_frames(duration_s)
    return min(frames, math.floor(timing.max_s * timing.fps + 1e-6)) / timing.fps


def _size(size: tuple[int, int] | None, preset: Preset) -> tuple[int, int]:
    limits: SizeConfig = preset.size
    if size is None:
        return limits.width, limits.height
    for side, name in zip(size, ("width", "height"), strict=True):
        if side % limits.multiple or not limits.min_side <= side <= limits.max_side:
            only = f"only {limits.min_side}" if limits.min_side == limits.max_side else (
                f"multiples of {limits.multiple} from {limits.min_side} to {limits.max_side}"
            )  # fmt: skip
            raise UsageError(
                f"{name} {side} of size {size[0]}x{size[1]} does not suit {preset.name}, which takes {only}"
            )
    return size


def _per_stream(
    name: str, given: Mapping[str, float] | None, defaults: Mapping[str, float], low: float, high: float
) -> dict[str, float]:
    values = {**defaults, **(given or {})}
    for stream, value in values.items():
        if stream not in defaults:
            raise UsageError(f"{name}: {stream!r} is no stream; there are {', '.join(defaults)}")
        if not low <= value <= high:
            raise UsageError(f"{name} {value:g} of {stream} is outside {low:g}..{high:g}")
    return values


def _check_captions(captions: Mapping[str, str], preset: Preset) -> None:
    """Raise UsageError for a caption whose end the encoder would not read."""
    from unison_core.text.prompt import caption_overflow

    for name, text in captions.items():
        if text and (dropped := caption_overflow(text, preset)):
            raise UsageError(
                f"the {name} is {dropped} tokens longer than the {preset.model.caption.length} that {preset.name} "
                "reads: "
                f"leave out what comes after {' '.join(_read_part(text, preset).split()[-4:])!r}"
            )


def _read_part(text: str, preset: Preset) -> str:
    from unison_core.text.prompt import caption_overflow

    words = text.split()
    while words and caption_overflow(" ".join(words), preset):
        words.pop()
    return " ".join(words)


def _interval(name: str, interval: tuple[float, float]) -> tuple[float, float]:
    low, high = interval
    if not 0 <= low < high <= 1:
        raise UsageError(f"{name} interval {low:g}-{high:g} must lie within 0-1, the lower noise level first")
    return low, high


def _cache_every(every: int) -> int:
    if not 1 <= every <= MAX_CACHE_EVERY:
        raise UsageError(f"cache every {every} is outside 1..{MAX_CACHE_EVERY}")
    return every


def _lead_amount(request: GenerateRequest) -> float:
    if request.lead not in ("none", "video", "audio"):
        raise UsageError(f"lead {request.lead!r} is none of none, video, audio")
    if request.lead == "none":
        if request.lead_amount:
            raise UsageError(
                f"lead amount {request.lead_amount:g} is given, but nothing leads: add --lead video or audio"
            )
        return 0.0
    made = {*STREAMS} - request.given.task.given
    if VIDEO not in made or not made & {*AUDIO_STREAMS}:
        raise UsageError(
            f"lead {request.lead}: only {' and '.join(sorted(made))} is generated, so nothing can run ahead"
        )
    amount = 0.3 if request.lead_amount is None else request.lead_amount
    if not 0 <= amount <= 1:
        raise UsageError(f"lead amount {amount:g} is outside 0..1")
    return amount
