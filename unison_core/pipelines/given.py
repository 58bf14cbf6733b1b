"""Media that a clip is made from, and the direction that they make of it: a row of the task table.

    speech, sfx, or both (one recording is separated)   audio to video; what is missing is generated
    video                                               video to audio; with a stem: dubbing, or new effects
    image                                               its first frame, alone or with given sound
    a reference voice                                   any of these in which speech is generated

Files are described here, checked, and read (`read_given`) once the model is chosen; nothing is encoded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from unison_core.errors import UsageError
from unison_core.media.loudness import SILENT_LUFS, lufs
from unison_core.media.probe import MediaInfo, picture_length_s, probe
from unison_core.media.read import read_audio
from unison_core.tasks import TASKS, Task
from unison_core.types import AUDIO_STREAMS, SFX, SPEECH, VIDEO

REFERENCE = "reference_audio"
FILES = ("audio", "speech", "sfx", "video", "image", REFERENCE)
"""Fields of `Given` that name files."""
REFERENCE_S = (1.0, 5.0)
"""Shortest and longest reference voice."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """Media files that a clip is made from, as paths; None: not given."""

    audio: str | None = None
    """A recording, which is separated into speech and effects."""
    speech: str | None = None
    sfx: str | None = None
    video: str | None = None
    keep: str | None = None
    """Which stem of the video's own sound is kept, speech or sfx: it is separated from the other."""
    image: str | None = None
    """The first frame."""
    reference_audio: str | None = None
    """A voice that the generated speech shall have: 1 to 5 s of somebody who speaks."""
    start_s: float = 0.0
    """Where in sound and video the clip begins, in seconds."""
    keep_rate: bool = False
    """Sound is written at the given sound's own sample rate, to which generated stems are resampled."""

    def __post_init__(self) -> None:
        for wrong, message in (
            (self.audio and (self.speech or self.sfx),
             "audio is separated into speech and sfx: give either audio, or stems"),
            (self.video and self.audio, "video and audio are both given, which leaves nothing to generate"),
            (self.video and self.speech and self.sfx,
             "video, speech and sfx are all given, which leaves nothing to generate"),
            (self.image and self.video, "video and image are both given: the video has a first frame of its own"),
            (self.keep and self.keep not in AUDIO_STREAMS, f"keep {self.keep!r} is none of {', '.join(AUDIO_STREAMS)}"),
            (self.keep and not self.video, "keep names a stem of a video's sound, but there is no video"),
            (self.keep and (self.speech or self.sfx),
             f"keep {self.keep} takes a stem from the video: give no stem beside it"),
            (self.reference_audio and SPEECH in self.stems, "the speech is given, so no reference voice can be heard"),
            (not self.start_s >= 0, f"start {self.start_s:g} s is before the beginning"),
            (self.start_s and not (self.video or self.stems), "start needs a given sound or video"),
            (self.keep_rate and not self.stems, "keep_rate needs a given sound"),
        ):  # fmt: skip
            if wrong:
                raise UsageError(message)

    @property
    def stems(self) -> frozenset[str]:
        """Audio streams that are given."""
        if self.audio:
            return frozenset(AUDIO_STREAMS)
        return frozenset(s for s in AUDIO_STREAMS if getattr(self, s) or self.keep == s)

    @property
    def task(self) -> Task:
        """The direction, as training knows it."""
        given = self.stems | ({VIDEO} if self.video else frozenset())
        return next(t for t in TASKS.values() if t.given == given and t.first_frame == bool(self.image))

    @property
    def command(self) -> str:
        """The command that makes clips of this direction."""
        return "v2a" if self.video else "a2v" if self.stems else "generate"

    @property
    def files(self) -> dict[str, Path]:
        """Files by what they are."""
        return {name: Path(path) for name in FILES if (path := getattr(self, name)) is not None}

    @property
    def sounds(self) -> dict[str, Path]:
        """Files whose sound is taken, by what they are."""
        names = ("audio", SPEECH, SFX, *((VIDEO,) if self.keep else ()))
        return {name: path for name, path in self.files.items() if name in names}

    def __bool__(self) -> bool:
        return bool(self.files)


def describe_files(given: Given) -> dict[str, MediaInfo]:
    """Facts by file; raises UsageError for a file that is missing, unreadable, or lacks the stream that it is for."""
    found = {}
    for name, path in given.files.items():
        info = probe(path)
        if name in (VIDEO, "image") and info.video is None:
            raise UsageError(f"{name} {path} has no picture")
        if name == REFERENCE:
            check_reference(path, info)
        if name in given.sounds and info.audio_rate_hz is None:
            why = "so there is nothing to keep" if name == VIDEO else "so it cannot be given as sound"
            raise UsageError(f"{name} {path} has no sound, {why}")
        if name == VIDEO and info.video is not None:
            info = replace(info, duration_s=picture_length_s(path, info.video) or info.duration_s)
        found[name] = info
    rates = {found[name].audio_rate_hz for name in given.sounds}
    if given.keep_rate and len(rates) > 1:
        raise UsageError(
            f"keep_rate: speech has {found[SPEECH].audio_rate_hz} Hz and sfx {found[SFX].audio_rate_hz} Hz, "
            "and a clip has one rate: convert one of them"
        )
    return found


def check_reference(path: Path, info: MediaInfo) -> None:
    """Raise UsageError unless a file can be a reference voice: a few seconds in which something is heard."""
    low, high = REFERENCE_S
    if info.audio_rate_hz is None:
        raise UsageError(f"reference audio {path} has no sound")
    wave = read_audio(path, info.audio_rate_hz, duration_s=2 * high)
    seconds = len(wave) / info.audio_rate_hz
    if not low - 0.05 <= seconds <= high + 0.05:
        more = " or more" if seconds > 2 * high - 0.1 else ""
        raise UsageError(
            f"reference audio {path} lasts {seconds:.1f} s{more}: cut it to {low:g} to {high:g} s of speech"
        )
    if lufs(wave, info.audio_rate_hz) < SILENT_LUFS:
        raise UsageError(f"reference audio {path} is silent (under {SILENT_LUFS:g} LUFS): no voice can be heard in it")


def length_s(given: Given, found: Mapping[str, MediaInfo]) -> float | None:
    """What is left after `start_s` of the video, or of the longest sound; None where neither is given.

    Raises:
        UsageError: a file states no length, or ends before `start_s`.
    """
    timed = [VIDEO] if given.video else list(given.sounds)
    lengths = {}
    for name in timed:
        length = found[name].duration_s
        if length is None:
            raise UsageError(f"{name} {given.files[name]} does not say how long it is: convert it, or pass --duration")
        lengths[name] = length
    if not lengths:
        return None
    longest = max(lengths, key=lengths.__getitem__)
    if given.start_s >= lengths[longest]:
        raise UsageError(f"start {given.start_s:g} s is after the end of {longest}, at {lengths[longest]:.2f} s")
    return lengths[longest] - given.start_s
