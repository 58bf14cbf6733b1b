"""The picture and the sounds of an item, decoded when they are first asked for, and each once."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import gcd
from pathlib import Path

import numpy as np

from unison_core.corpus.scene import Scene
from unison_core.errors import UnisonError, UsageError
from unison_core.evaluation.item import SFX, SOUND, SPEECH, VIDEO, Item
from unison_core.evaluation.registry import Unscored
from unison_core.media.ffmpeg import run
from unison_core.media.read import read_audio, read_frames
from unison_core.types import Clip

SMALL_SIDE = 128
"""Weight-free measures look at a picture whose shorter side is at most this."""


@dataclass(frozen=True, kw_only=True)
class Wave:
    """Sound `(samples, channels)`, float32, and its rate."""

    samples: np.ndarray
    rate_hz: int

    @property
    def mono(self) -> np.ndarray:
        """Mean over channels, `(samples,)`."""
        return self.samples[:, 0] if self.samples.shape[1] == 1 else self.samples.mean(axis=1)

    def at(self, rate_hz: int) -> np.ndarray:
        """The mono wave `(samples,)` at another rate, float32."""
        from scipy.signal import resample_poly

        if rate_hz == self.rate_hz:
            return self.mono
        divisor = gcd(rate_hz, self.rate_hz)
        return resample_poly(self.mono, rate_hz // divisor, self.rate_hz // divisor).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a file's header says; a part that is not there has None or 0."""

    fps: float | None = None
    width: int = 0
    height: int = 0
    duration_s: float | None = None
    rate_hz: int | None = None
    channels: int = 0


@dataclass
class Media:
    """Decoded media of one item.

    Raises Unscored, with the reason, from whatever cannot be read.
    """

    item: Item
    earlier: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    """Features that were extracted before, by name."""
    _waves: dict[str, Wave] = field(default_factory=dict)
    _frames: dict[tuple[float | None, tuple[int, int] | None], np.ndarray] = field(default_factory=dict)

    @cached_property
    def header(self) -> Probe:
        """Header of the video file."""
        return probe(self.item.path(VIDEO))

    @property
    def fps(self) -> float:
        """Pictures per second of the file."""
        if not self.header.fps:
            raise Unscored("the video cannot be read")
        return self.header.fps

    def frames(self, fps: float | None = None, size: tuple[int, int] | None = None) -> np.ndarray:
        """Pictures, uint8 RGB `(F, H, W, 3)`; at another rate or (width, height) if asked for."""
        if (fps, size) not in self._frames:
            try:
                self._frames[fps, size] = read_frames(self.item.path(VIDEO), fps=fps or self.fps, size=size)
            except UsageError as error:
                raise Unscored("the video cannot be read") from error
        return self._frames[fps, size]

    @property
    def small(self) -> np.ndarray:
        """Pictures whose shorter side is at most 128 pixels."""
        width, height = self.header.width, self.header.height
        if min(width, height) <= SMALL_SIDE:
            return self.frames()
        scale = SMALL_SIDE / min(width, height)
        return self.frames(size=(2 * round(width * scale / 2), 2 * round(height * scale / 2)))

    def wave(self, kind: str) -> Wave:
        """The sound of a kind (`sound`, `speech`, `sfx`, `voice`) at the file's own rate and channels."""
        if kind not in self._waves:
            self._waves[kind] = read_wave(self.item.path(kind))
        return self._waves[kind]

    def wave_or_mix(self, kind: str) -> Wave:
        """A stem where the item has it, else the whole sound."""
        return self.wave(kind if kind in self.item.files else SOUND)

    @property
    def voice(self) -> Wave:
        """Where speech is heard: the speech stem, or else the whole sound."""
        return self.wave_or_mix(SPEECH)

    @property
    def effects(self) -> Wave:
        """Where effects are heard: the effects stem, or else the whole sound."""
        return self.wave_or_mix(SFX)

    @property
    def frame_count(self) -> int:
        """Pictures in the file."""
        return len(self.small)


def in_memory(name: str, scene: Scene, clip: Clip) -> Media:
    """A clip that is not on the disk, as media whose whole sound is the sum of its stems."""
    waves = {**clip.stems, SOUND: sum(clip.stems[stream] for stream in clip.stems)}
    item = Item(
        id=name, files=dict.fromkeys((VIDEO, *waves), Path(name)), caption=scene.caption, transcript=scene.transcript,
        scene=scene,
    )  # fmt: skip
    media = Media(
        item,
        _waves={kind: Wave(samples=np.asarray(wave)[:, None], rate_hz=clip.rate_hz) for kind, wave in waves.items()},
    )
    assert clip.frames is not None
    height, width = clip.frames.shape[1:3]
    media.header = Probe(fps=clip.fps, width=width, height=height)
    media._frames[None, None] = clip.frames
    return media


def read_wave(path: Path) -> Wave:
    """Sound of a file of any format; raises Unscored where there is none."""
    import soundfile

    if not path.is_file():
        raise Unscored(f"there is no file {path.name}")
    if path.suffix.lower() in (".wav", ".flac"):
        try:
            samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise Unscored(f"{path.name} cannot be read") from error
        return _sounding(Wave(samples=samples, rate_hz=rate_hz), path)
    header = probe(path)
    if not header.rate_hz:
        raise Unscored(f"{path.name} holds no sound that can be read")
    try:
        if header.channels <= 1:
            return _sounding(Wave(samples=read_audio(path, header.rate_hz)[:, None], rate_hz=header.rate_hz), path)
        raw = run(["-i", str(path), "-map", "0:a:0", "-ac", "2", "-ar", str(header.rate_hz), "-f", "f32le", "-"])
    except UnisonError as error:
        raise Unscored(f"{path.name} holds no sound that can be read") from error
    return _sounding(Wave(samples=np.frombuffer(raw, np.float32).reshape(-1, 2).copy(), rate_hz=header.rate_hz), path)


def _sounding(wave: Wave, path: Path) -> Wave:
    if not len(wave.samples):
        raise Unscored(f"{path.name} holds no sample of sound")
    if not np.isfinite(wave.samples).all():
        raise Unscored(f"{path.name} holds samples that are no numbers")
    return wave


def probe(path: Path) -> Probe:
    """Read a media file's header by ffmpeg; an empty Probe where it is no media file."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", str(path)]
    text = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL).stderr.decode(
        errors="replace"
    )
    picture = re.search(r"Stream #.*Video: .*?(\d{2,5})x(\d{2,5}).*?([\d.]+) fps", text)
    sound = re.search(r"Stream #.*Audio: .*?(\d+) Hz, (\w+)", text)
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text)
    return Probe(
        fps=float(picture[3]) if picture else None,
        width=int(picture[1]) if picture else 0,
        height=int(picture[2]) if picture else 0,
        duration_s=int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3]) if length else None,
        rate_hz=int(sound[1]) if sound else None,
        channels={"mono": 1}.get(sound[2], 2) if sound else 0,
    )
