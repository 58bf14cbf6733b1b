"""Reads what a clip is made from, brings it to the clip's length, and encodes it; what is given is never decoded again.

Sound is read once at its own rate. Its stem in the clip is that sound: as it is at the same rate, resampled otherwise.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from scipy.signal import resample_poly
from torch import Tensor

from unison_core.codecs.codec import Codec
from unison_core.errors import UsageError
from unison_core.media.activity import activity, heard_s
from unison_core.media.pictures import read_picture, read_video
from unison_core.media.probe import MediaInfo
from unison_core.media.read import read_audio
from unison_core.pipelines.given import REFERENCE, REFERENCE_S, Given, describe_files
from unison_core.pipelines.request import ClipSpec
from unison_core.pipelines.separating import Separator
from unison_core.timing import Timing
from unison_core.types import AUDIO_STREAMS, SPEECH, VIDEO
from unison_core.weights.checksums import sha256

FAINTEST_VOICE_DB = -20.0
"""Level of a video's voice under its whole sound, below which it passes for none."""


@dataclass(frozen=True, kw_only=True)
class GivenMedia:
    """What is given, as arrays of the clip's length.

    Attributes:
        frames: uint8 RGB `(4k+1, H, W, 3)` of a given video, as the model sees it; None where none is given.
        image: uint8 RGB `(H, W, 3)`, the first frame; likewise.
        stems: float32 `(samples,)` by given audio stream, at `rate_hz`.
        reference: float32 `(samples,)` of a voice, at the model's rate; None where none is given.
        replaced: float32 `(samples,)`, at `rate_hz`, of the video's own voice where another takes its place; None where
            the video has none.
        rate_hz: sample rate of the clip's sound.
        inputs: for the record: path, hash and facts by file.
    """

    frames: np.ndarray | None = None
    image: np.ndarray | None = None
    stems: Mapping[str, np.ndarray] = field(default_factory=dict)
    reference: np.ndarray | None = None
    replaced: np.ndarray | None = None
    rate_hz: int
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def spoken_s(self) -> tuple[float, float] | None:
        """When the given speech is heard; None where none is given or it is silent."""
        return heard_s(self.stems[SPEECH], self.rate_hz) if SPEECH in self.stems else None

    def replaced_s(self) -> tuple[float, float] | None:
        """When the voice that is replaced is heard: while the mouth moves that the new words are put into."""
        return None if self.replaced is None else heard_s(self.replaced, self.rate_hz)


def read_given(spec: ClipSpec, timing: Timing, separator: Callable[[], Separator]) -> GivenMedia:
    """Read the files of a completed request.

    Args:
        spec: names them.
        timing: the model's rates.
        separator: called where a recording must be separated.

    Raises:
        UsageError: a file is missing, unreadable, or holds too little.
    """
    given, model_hz = spec.given, timing.sample_rate_hz
    found = describe_files(given)
    heard = dict(given.sounds)
    if spec.transcript and SPEECH not in given.stems and VIDEO in found and found[VIDEO].audio_rate_hz:
        heard[VIDEO] = given.files[VIDEO]  # its voice tells when the words are spoken
    rates = {name: found[name].audio_rate_hz or model_hz for name in heard}
    rate_hz = next(iter(rates.values())) if given.keep_rate else model_hz
    shown = timing.shown_frames(spec.duration_s)
    samples = round(shown / timing.fps * rate_hz)
    stems: dict[str, np.ndarray] = {}
    separated: dict[str, dict[str, Any]] = {}
    replaced = None
    for name, path in heard.items():
        wave = read_audio(path, rates[name], start_s=given.start_s, duration_s=spec.duration_s + 0.1)
        if not len(wave) and name not in given.sounds:
            continue
        if not len(wave):
            raise UsageError(f"{name} {path} holds no sound from {given.start_s:g} s on")
        parts: Mapping[str, np.ndarray] = {name: wave}
        if name not in AUDIO_STREAMS:
            separate = separator()
            parts, separated[name] = separate(wave, rates[name]), {"separator": dict(separate.facts)}
        if name == VIDEO and SPEECH not in given.stems and is_voice(parts[SPEECH], wave):
            replaced = fitted(resampled(parts[SPEECH], rates[name], rate_hz), samples)
        kept = given.stems & parts.keys() if name in given.sounds else frozenset()
        stems |= {s: fitted(resampled(parts[s], rates[name], rate_hz), samples) for s in kept}
    frames = image = None
    if given.video is not None:
        frames = _covering(given, spec, timing)
    if given.image is not None:
        image = read_picture(Path(given.image), spec.size)
    reference = None
    if given.reference_audio is not None:
        reference = read_audio(given.files[REFERENCE], model_hz, duration_s=REFERENCE_S[1])
    inputs = {name: _facts(path, found[name]) | separated.get(name, {}) for name, path in given.files.items()}
    return GivenMedia(
        frames=frames, image=image, stems=stems, reference=reference, replaced=replaced, rate_hz=rate_hz, inputs=inputs
    )  # fmt: skip


def encode_given(media: GivenMedia, codec: Codec, timing: Timing, frames: int) -> dict[str, Tensor]:
    """Latents of a batch of one by given stream; of a given first frame, video latents of that frame alone.

    Args:
        media: from `read_given`.
        codec: the model's.
        timing: its rates.
        frames: pixel frames of the clip, 4k+1.
    """
    latents = {}
    if media.frames is not None:
        latents[VIDEO] = codec.encode_video(rearrange(_tensor(media.frames), "f h w c -> 1 f h w c"))
    if media.image is not None:
        latents[VIDEO] = codec.encode_video(rearrange(_tensor(media.image), "h w c -> 1 1 h w c"))
    samples = timing.audio_latents(frames) * timing.samples_per_latent
    for stream, wave in media.stems.items():
        heard = fitted(resampled(wave, media.rate_hz, timing.sample_rate_hz), samples)
        latents[stream] = codec.encode_audio(rearrange(_tensor(heard), "s -> 1 s"))
    return latents


def encode_reference(media: GivenMedia, codec: Codec) -> Tensor | None:
    """Latents `(1, R, C)` of the reference voice from its first sound to its last; None where none is given."""
    if media.reference is None:
        return None
    heard = np.flatnonzero(activity(media.reference, codec.preset.timing.sample_rate_hz) > 0.5)
    return codec.encode_audio(rearrange(_tensor(media.reference[heard[0] : heard[-1] + 1]), "s -> 1 s"))


def resampled(wave: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """`wave` `(samples,)` at another rate; as it is where the rates are equal."""
    if from_hz == to_hz:
        return wave
    divisor = math.gcd(from_hz, to_hz)
    return resample_poly(wave, to_hz // divisor, from_hz // divisor).astype(np.float32)


def fitted(wave: np.ndarray, samples: int) -> np.ndarray:
    """The first `samples` of `wave`, continued by silence."""
    return np.pad(wave[:samples], (0, max(0, samples - len(wave)))).astype(np.float32)


def is_voice(speech: np.ndarray, mix: np.ndarray) -> bool:
    """Whether what was taken for speech is more than what a separator leaves over of other sounds."""
    return bool(np.square(speech).mean() > 10 ** (FAINTEST_VOICE_DB / 10) * np.square(mix).mean())


def _covering(given: Given, spec: ClipSpec, timing: Timing) -> np.ndarray:
    """Frames of the video over the whole clip; where it ends a little earlier, its last frame stays."""
    count = timing.frames_covering(spec.duration_s)
    frames = read_video(
        given.files[VIDEO], size=spec.size, fps=timing.fps, start_s=given.start_s,
        count=timing.shown_frames(spec.duration_s),
    )  # fmt: skip
    return np.concatenate([frames, np.repeat(frames[-1:], count - len(frames), axis=0)])


def _facts(path: Path, info: MediaInfo) -> dict[str, Any]:
    video = info.video
    return {
        "path": str(path),
        "sha256": sha256(path),
        **({"duration_s": info.duration_s} if info.duration_s else {}),
        **({"rate_hz": info.audio_rate_hz} if info.audio_rate_hz else {}),
        **({"codec": video.codec, "width": video.width, "height": video.height, "fps": video.fps} if video else {}),
    }


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array))
