"""A clip that is ready to be encoded, and how it is read from media."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from unison_core.errors import UnisonError
from unison_core.media.activity import heard_s
from unison_core.media.pictures import read_video
from unison_core.media.probe import MediaInfo
from unison_core.pipelines.given_media import fitted, resampled
from unison_core.preparation.cutting import Cut, Lengths, cut
from unison_core.preparation.reasons import (
    UNREADABLE,
    FilterConfig,
    Rejected,
    check_size,
    check_sound,
    check_words,
)
from unison_core.preparation.sound import describe, read_sound
from unison_core.preparation.sources import Source
from unison_core.preparation.timings import Timings
from unison_core.timing import Timing
from unison_core.types import SFX, SPEECH

MARGIN_S = 1.0
"""Sound that a separator hears before and after a clip, where there is some."""


@dataclass(frozen=True, kw_only=True)
class ReadyClip:
    """Media of one clip at the model's rates, with its words.

    Attributes:
        key: its name in the shard.
        frames: uint8 RGB `(4k+1, H, W, 3)`; None where pictures are not encoded.
        count: number of frames, 4k+1.
        stems: float32 `(samples,)` by audio stream, as long as the audio latents of `count` frames.
        caption, transcript: what the text side reads.
        span_s: when the transcript is spoken.
        facts: what else is known, for the record: `voice`, `static`, ...
    """

    key: str
    frames: np.ndarray | None
    count: int
    stems: Mapping[str, np.ndarray]
    caption: str
    transcript: str
    span_s: tuple[float, float] | None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Separate(Protocol):
    """Splits a mono recording `(samples,)` into stems by audio stream."""

    def __call__(self, wave: np.ndarray, rate_hz: int) -> Mapping[str, np.ndarray]: ...


Transcribe = Callable[[np.ndarray, int], str]
"""Words in a mono speech stem `(samples,)` at a rate."""


@dataclass(frozen=True, kw_only=True)
class ReadSettings:
    """How media become clips.

    Attributes:
        timing: the model's rates. lengths: allowed ones. filters: what clips must be.
        size: (width, height) of pictures; None reads none.
        separate: takes stems out of recordings that come without; None where all have theirs.
        transcribe: reads words that nothing says; None leaves them unknown.
    """

    timing: Timing
    lengths: Lengths
    filters: FilterConfig
    size: tuple[int, int] | None
    separate: Separate | None = None
    transcribe: Transcribe | None = None


Opened = tuple[Source, Mapping[Path, MediaInfo], list[Cut | Rejected]]


def open_source(source: Source, settings: ReadSettings) -> Opened:
    """What its files are and where it is cut. Raises Rejected where it cannot be used at all."""
    paths = [source.video] if settings.size else []
    paths += [source.speech, source.sfx] if source.speech or source.sfx else [source.sound]
    try:
        infos = {path: describe(path) for path in paths if path is not None}
    except UnisonError as error:
        raise Rejected(UNREADABLE, str(error)) from error
    if settings.size:
        stream = infos[source.video].video if source.video else None
        if stream is None:
            raise Rejected("no_picture", "it has no picture (stage 1 needs none: --no-video)")
        check_size(stream.width, stream.height, settings.filters)
    mute = [path for path, info in infos.items() if path != source.video and info.audio_rate_hz is None]
    if mute or (source.sound in infos and not (source.speech or source.sfx)
                and infos[source.sound].audio_rate_hz is None):  # fmt: skip
        raise Rejected("no_sound", "it has no sound")
    lengths = {path: info.duration_s for path, info in infos.items() if info.duration_s}
    if not lengths:
        raise Rejected(UNREADABLE, f"{next(iter(infos))} does not say how long it is")
    duration_s = min(x for x in lengths.values() if x)
    pieces = list(cut(source, duration_s, settings.lengths, transcribed=settings.transcribe is not None))
    return source, infos, pieces


def read_clip(
    source: Source, infos: Mapping[Path, MediaInfo], piece: Cut, key: str, settings: ReadSettings, timings: Timings
) -> ReadyClip:
    """Decode, separate, check. Raises Rejected where the clip is left out."""
    timing, rate_hz = settings.timing, settings.timing.sample_rate_hz
    try:
        with timings.measure("decode sound"):
            stems = _given_stems(source, piece, timing)
        if stems is None:
            stems = _separated(source, infos, piece, settings, timings)
        mix = stems[SPEECH] + stems[SFX]
        heard = round(piece.frames / timing.fps * rate_hz)
        check_sound(mix[:heard], rate_hz, settings.filters)
        transcript = piece.transcript
        if transcript is None and settings.transcribe is not None:
            with timings.measure("transcribe"):
                transcript = " ".join(settings.transcribe(stems[SPEECH][:heard], rate_hz).split())
        check_words(transcript, source.caption, stems[SPEECH][:heard], rate_hz, settings.filters)
        frames = None
        if settings.size:
            assert source.video is not None
            with timings.measure("decode pictures"):
                frames = read_video(
                    source.video, size=settings.size, fps=timing.fps, start_s=piece.start_s, count=piece.frames,
                    stream=infos[source.video].video,
                )  # fmt: skip
            if len(frames) < piece.frames:
                piece, stems = _shortened(piece, stems, len(frames), settings)
                frames = frames[: piece.frames]
    except UnisonError as error:
        raise Rejected(UNREADABLE, str(error)) from error
    words = (transcript or "").strip()
    return ReadyClip(
        key=key, frames=frames, count=piece.frames, stems=stems, caption=(source.caption or "").strip(),
        transcript=words, span_s=_span(piece, words, stems[SPEECH][:heard], rate_hz),
        facts={"source": source.name, "start_s": round(piece.start_s, 4), "voice": piece.voice},
    )  # fmt: skip


def _shortened(
    piece: Cut, stems: Mapping[str, np.ndarray], shown: int, settings: ReadSettings
) -> tuple[Cut, dict[str, np.ndarray]]:
    """The clip as long as its picture: a container states the length of its longest stream, often the sound's."""
    timing = settings.timing
    frames = settings.lengths.fitting(shown / timing.fps, exact=True)
    if not frames:
        raise Rejected("length", f"it shows {shown} frames")
    if piece.span_s and piece.span_s[1] > frames / timing.fps + 0.05:
        raise Rejected("cut_speech", f"it shows {frames / timing.fps:.2f} s, and the words go on")
    samples = timing.audio_latents(frames) * timing.samples_per_latent
    return replace(piece, frames=frames), {stream: fitted(wave, samples) for stream, wave in stems.items()}


def _span(piece: Cut, words: str, speech: np.ndarray, rate_hz: int) -> tuple[float, float] | None:
    """When the words are spoken: as told, else from the first sound of the speech stem to its last."""
    if not words:
        return None
    if piece.span_s is not None:
        return piece.span_s
    heard = heard_s(speech, rate_hz)
    return heard and (round(heard[0], 4), round(heard[1], 4))


def _given_stems(source: Source, piece: Cut, timing: Timing) -> dict[str, np.ndarray] | None:
    """Stems from their own files, a missing one silent; None where there is none."""
    files = {SPEECH: source.speech, SFX: source.sfx}
    if not any(files.values()):
        return None
    samples = timing.audio_latents(piece.frames) * timing.samples_per_latent
    return {stream: np.zeros(samples, np.float32) if path is None else _sound(path, piece, timing)
            for stream, path in files.items()}  # fmt: skip


def _sound(path: Path, piece: Cut, timing: Timing) -> np.ndarray:
    samples = timing.audio_latents(piece.frames) * timing.samples_per_latent
    seconds = piece.frames / timing.fps
    wave = read_sound(path, timing.sample_rate_hz, start_s=piece.start_s, duration_s=seconds)
    return fitted(wave, samples)


def _separated(
    source: Source, infos: Mapping[Path, MediaInfo], piece: Cut, settings: ReadSettings, timings: Timings
) -> dict[str, np.ndarray]:
    """Stems by the separator, which hears a second more on both sides."""
    if settings.separate is None or source.sound is None:
        raise Rejected("no_stems", "it has no stems, and no --separator was named")
    timing, own_hz = settings.timing, infos[source.sound].audio_rate_hz or settings.timing.sample_rate_hz
    before_s = min(MARGIN_S, piece.start_s)
    seconds = piece.frames / timing.fps
    with timings.measure("decode sound"):
        wave = read_sound(
            source.sound, own_hz, start_s=piece.start_s - before_s, duration_s=before_s + seconds + MARGIN_S
        )
    first, last = round(before_s * own_hz), round((before_s + seconds) * own_hz)
    if len(wave) <= first:
        raise Rejected(UNREADABLE, f"{source.sound} holds no sound from {piece.start_s:g} s on")
    with timings.measure("separate"):
        parts = settings.separate(wave, own_hz)
    samples = timing.audio_latents(piece.frames) * timing.samples_per_latent
    return {s: fitted(resampled(parts[s][first:last], own_hz, timing.sample_rate_hz), samples) for s in (SPEECH, SFX)}


def made_still(clip: ReadyClip) -> ReadyClip:
    """The clip with its first frame throughout, and in silence; its prompt stays, as SyncCFG's anchors keep it."""
    frames = None if clip.frames is None else np.repeat(clip.frames[:1], len(clip.frames), axis=0)
    stems = {stream: np.zeros_like(wave) for stream, wave in clip.stems.items()}
    return replace(clip, frames=frames, stems=stems, facts={**clip.facts, "static": True})
