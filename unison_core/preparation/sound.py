"""Sound files for preparation: WAV and FLAC by libsndfile, which starts no program; everything else by ffmpeg."""

from pathlib import Path

import numpy as np
import soundfile

from unison_core.errors import UsageError
from unison_core.media.probe import MediaInfo, probe
from unison_core.media.read import read_audio
from unison_core.pipelines.given_media import resampled

DIRECT = (".wav", ".flac")


def describe(path: Path) -> MediaInfo:
    """Length and rate of a file; raises UsageError where it is missing or holds nothing that can be read."""
    if path.suffix.lower() in DIRECT and path.is_file():
        try:
            info = soundfile.info(path)
        except (soundfile.LibsndfileError, RuntimeError):
            return probe(path)
        if not info.frames:
            raise UsageError(f"{path} holds no sound")
        return MediaInfo(duration_s=info.frames / info.samplerate, video=None, audio_rate_hz=info.samplerate)
    return probe(path)


def read_sound(path: Path, rate_hz: int, *, start_s: float, duration_s: float) -> np.ndarray:
    """A stretch as float32 mono `(samples,)` at `rate_hz`; raises UsageError where it cannot be read."""
    if path.suffix.lower() in DIRECT and path.is_file():
        try:
            with soundfile.SoundFile(path) as file:
                file.seek(min(round(start_s * file.samplerate), file.frames))
                block = file.read(round(duration_s * file.samplerate), dtype="float32", always_2d=True)
                wave = np.ascontiguousarray(block.mean(axis=1))
                return resampled(wave, file.samplerate, rate_hz) if len(wave) else wave
        except (soundfile.LibsndfileError, RuntimeError):
            pass  # a codec that ffmpeg may know
    return read_audio(path, rate_hz, start_s=start_s, duration_s=duration_s)
